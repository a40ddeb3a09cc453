//! Whether systemd, which stops this process, will start a new one: the type of its job for the service.

use crate::server::subprocess;
use std::io;
use std::process::Command;
use std::time::Duration;

/// Names the unit if the control group does not.
const UNIT_VARIABLE: &str = "MADANG_UNIT";
/// How long systemd may take to list its jobs.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// Whether systemd's job for this service is a restart. The job exists until the process has ended.
pub fn is_restart() -> bool {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let named = std::env::var(UNIT_VARIABLE).ok().map(|unit| Service { unit, is_of_user: false });
    let Some(service) = named.or_else(|| Service::of(&groups)) else { return false };
    match jobs(service.is_of_user) {
        Ok(jobs) => service.is_restarted(&jobs),
        Err(error) => {
            tracing::warn!(%error, "systemd does not say whether this is a restart (systemctl list-jobs)");
            false
        }
    }
}

/// The service that this process is part of.
#[derive(PartialEq, Eq, Debug)]
struct Service {
    unit: String,
    /// Whether it is a service of a user manager.
    is_of_user: bool,
}

impl Service {
    /// From the kernel's list of control groups.
    fn of(groups: &str) -> Option<Service> {
        let path = |line: &str| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let is_systemds = (number, controllers) == ("0", "") || controllers == "name=systemd";
            is_systemds.then(|| path.to_owned())
        };
        let services = |path: String| {
            let mut units = path.split('/').filter(|part| part.ends_with(".service")).map(str::to_owned);
            let unit = units.next_back()?;
            Some(Service { unit, is_of_user: units.any(|above| above.starts_with("user@")) })
        };
        groups.lines().filter_map(path).find_map(services)
    }

    /// From the lines of `systemctl list-jobs`: number, unit, type, state.
    fn is_restarted(&self, jobs: &str) -> bool {
        jobs.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            fields.next() == Some(&self.unit) && matches!(fields.next(), Some("restart" | "try-restart"))
        })
    }
}

/// The jobs of systemd.
fn jobs(is_of_user: bool) -> io::Result<String> {
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["list-jobs", "--plain", "--full", "--no-legend", "--no-pager"]);
    if is_of_user {
        systemctl.arg("--user");
    }
    let (status, text) = subprocess::run(&mut systemctl, ANSWER_TIME_MAX)?;
    if status.success() { Ok(text) } else { Err(io::Error::other(format!("systemctl: {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(unit: &str, is_of_user: bool) -> Option<Service> {
        Some(Service { unit: unit.to_owned(), is_of_user })
    }

    #[test]
    fn the_unit_is_read_from_the_control_group() {
        assert_eq!(Service::of("0::/system.slice/madang.service\n"), service("madang.service", false));
        let hybrid =
            "9:name=systemd:/system.slice/system-chat.slice/chat@a\\x2db.service\n8:pids:/x.service\n0::/\n";
        assert_eq!(Service::of(hybrid), service("chat@a\\x2db.service", false));
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/madang.service/inner\n";
        assert_eq!(Service::of(user), service("madang.service", true));
        assert_eq!(Service::of("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(Service::of(""), None);
    }

    #[test]
    fn only_a_restart_of_this_unit_is_one() {
        let madang = service("madang.service", false).expect("a service");
        assert!(madang.is_restarted("1 other.service stop running\n216 madang.service restart running\n"));
        assert!(madang.is_restarted("216 madang.service try-restart waiting\n"));
        for jobs in [
            "",
            "No jobs running.\n",
            "397 madang.service stop running\n",
            "1 other-madang.service restart running\n",
            "1 madang.service.d restart running\n2 madang.service start waiting\n",
        ] {
            assert!(!madang.is_restarted(jobs), "{jobs}");
        }
    }
}
