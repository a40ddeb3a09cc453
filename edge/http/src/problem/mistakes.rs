//! What the directory refuses, as problems.

use super::{Problem, ProblemCode};
use madang_directory::{DirectoryError, FOR_EVER, Mistake, Unavailable, Weakness};
use madang_model::NameError;
use std::time::Duration;

/// After how long a directory that does not answer is asked again.
const DIRECTORY_WAIT: Duration = Duration::from_secs(2);

impl From<DirectoryError> for Problem {
    fn from(error: DirectoryError) -> Problem {
        match error {
            DirectoryError::Mistake(mistake) => mistake.into(),
            DirectoryError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<Unavailable> for Problem {
    /// The reason is the operator's: it has paths and hosts in it.
    fn from(unavailable: Unavailable) -> Problem {
        tracing::warn!("{unavailable}");
        Problem::plain(ProblemCode::DirectoryUnavailable).retry_after(DIRECTORY_WAIT)
    }
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Problem {
        let english = mistake.to_string();
        let plain = |code, korean: &str| Problem::new(code, english.clone(), korean);
        match &mistake {
            Mistake::NameInvalid(error) => plain(ProblemCode::NameInvalid, &name_error(error)),
            Mistake::NameTaken(name) => plain(
                ProblemCode::NameTaken,
                &format!("이름 {name}은(는) 이미 쓰입니다. 다른 이름을 고르십시오"),
            ),
            Mistake::NameConfusable(name) => plain(
                ProblemCode::NameConfusable,
                &format!("이름 {name}은(는) 이미 쓰이는 이름과 비슷해 보입니다. 다른 이름을 고르십시오"),
            ),
            Mistake::DisplayNameInvalid { chars_max } => plain(
                ProblemCode::DisplayNameInvalid,
                &format!("표시 이름은 보이는 글자 1자에서 {chars_max}자까지입니다"),
            ),
            Mistake::PasswordWeak(weakness) => plain(
                ProblemCode::PasswordWeak,
                &format!("비밀번호가 너무 약합니다. {}", weakness_words(*weakness)),
            ),
            Mistake::PasswordsDiffer => plain(
                ProblemCode::PasswordsDiffer,
                "두 비밀번호가 다릅니다. 같은 비밀번호를 두 번 입력하십시오",
            ),
            Mistake::WrongCredentials => {
                plain(ProblemCode::WrongCredentials, "이름이나 비밀번호가 틀렸습니다")
            }
            Mistake::Banned { until, reason } => banned(&english, *until == FOR_EVER, reason).until(*until),
            Mistake::NoAccount(name) => plain(
                ProblemCode::NoAccount,
                &format!("{name} 계정이 없습니다. 이름의 앞부분으로 찾아보십시오"),
            ),
            Mistake::LastAdmin(name) => plain(
                ProblemCode::LastAdmin,
                &format!(
                    "{name}은(는) 마지막 관리자이고, 관리자는 한 명은 남아야 합니다. 먼저 다른 계정을 관리자로 만드십시오"
                ),
            ),
            Mistake::SessionEnded => {
                plain(ProblemCode::SessionEnded, "세션이 끝났습니다. 다시 로그인하십시오")
            }
            Mistake::TokenReused { .. } => plain(
                ProblemCode::TokenReused,
                "이 세션의 토큰이 두 번 쓰여 세션을 끝냈습니다. 다시 로그인하십시오",
            ),
            Mistake::ChangedMeanwhile(name) => plain(
                ProblemCode::ChangedMeanwhile,
                &format!("{name}이(가) 그사이에 바뀌었습니다. 다시 읽으십시오"),
            ),
            Mistake::CodeGone => {
                plain(ProblemCode::CodeGone, "더 이상 쓸 수 없는 코드입니다. 관리자에게 새 코드를 받으십시오")
            }
            Mistake::SignUpCodeInvalid => plain(
                ProblemCode::SignUpCodeInvalid,
                "가입 코드를 쓸 수 없습니다. 코드를 준 사람에게 새 코드를 받으십시오",
            ),
            Mistake::NoCode(id) => plain(
                ProblemCode::NoCode,
                &format!("가입 코드 {id}이(가) 없습니다. 취소되었거나 만료되었습니다"),
            ),
            Mistake::TooManyCodes { codes_max } => plain(
                ProblemCode::TooManyCodes,
                &format!("가입 코드가 이미 {codes_max}개 있습니다. 필요 없는 코드를 취소하십시오"),
            ),
            Mistake::NoKey => {
                plain(ProblemCode::KeyInvalid, "그런 키가 없습니다. 교체되었거나 삭제되었을 수 있습니다")
            }
            // Keys are made by commands alone; who asks for it here all the same is told what is wrong.
            Mistake::KeyTaken(_) | Mistake::PrefixTaken { .. } => {
                plain(ProblemCode::BadValue, "키의 이름이나 접두사가 이미 쓰입니다")
            }
            Mistake::BadValue { what, found, allowed } => plain(
                ProblemCode::BadValue,
                &format!("값이 정해진 범위를 벗어났습니다: {what} {found}: {allowed}"),
            ),
        }
    }
}

fn banned(english: &str, is_for_ever: bool, reason: &str) -> Problem {
    let korean = if is_for_ever {
        "계정이 영구히 차단되었습니다"
    } else {
        "계정이 차단되었습니다"
    };
    let (mut english, mut korean) = (english.to_owned(), korean.to_owned());
    if !reason.is_empty() {
        english.push_str(&format!(": {reason}"));
        korean.push_str(&format!(": {reason}"));
    }
    Problem::new(ProblemCode::Banned, english, korean)
}

fn weakness_words(weakness: Weakness) -> String {
    match weakness {
        Weakness::Short { chars, chars_min } => format!("{chars}자입니다. {chars_min}자 이상으로 하십시오"),
        Weakness::Long { bytes_max } => format!("{bytes_max}바이트보다 깁니다. 더 짧게 하십시오"),
        Weakness::Common => "가장 먼저 시도되는 비밀번호입니다. 낱말을 여러 개 쓰십시오".to_owned(),
        Weakness::Repeated => "몇 글자만 되풀이됩니다. 낱말을 여러 개 쓰십시오".to_owned(),
        Weakness::InARow => "자판이나 글자 차례대로 이어집니다. 낱말을 여러 개 쓰십시오".to_owned(),
        Weakness::LikeName => "이름으로 만들어졌습니다. 다른 낱말을 여러 개 쓰십시오".to_owned(),
    }
}

fn name_error(error: &NameError) -> String {
    match error {
        NameError::Empty => "이름은 비워 둘 수 없습니다".to_owned(),
        NameError::TooLong { chars, chars_max } => {
            format!("이름은 {chars_max}자까지입니다. 이 이름은 {chars}자입니다")
        }
        NameError::BadCharacter { found } => {
            format!("이름은 글자와 숫자, - _ . 로 이루어집니다. {found}은(는) 쓸 수 없습니다")
        }
        NameError::NoLetter { found } => format!("이름에는 글자나 숫자가 하나는 있어야 합니다. {found}에는 없습니다"),
        NameError::MarkFirst => "이름은 글자나 숫자로 시작합니다. 글자에 붙는 부호로 시작할 수 없습니다".to_owned(),
        NameError::TooManyMarks { marks_max } => format!("한 글자에 붙는 부호는 {marks_max}개까지입니다"),
        NameError::OtherForm { found, instead } => {
            format!("{found}은(는) {instead}의 다른 형태입니다. 이름에는 {instead}을(를) 쓰십시오")
        }
        NameError::SyllablePart { found } => {
            format!("{found}은(는) 음절의 일부입니다. 온전한 음절이나 오늘날의 낱자(ㅋㅋ)를 쓰십시오")
        }
        NameError::TooNew { found } => {
            format!("{found}은(는) 이름에 쓰는 글자(유니코드 6.3, RFC 8264)보다 새 글자입니다. 다른 글자를 쓰십시오")
        }
        NameError::MixedDirections => {
            "오른쪽에서 왼쪽으로 쓰는 글자가 있는 이름은 그런 글자로 시작하고, 그런 글자나 숫자로 끝나며, 왼쪽에서 \
             오른쪽으로 쓰는 글자가 없어야 합니다"
                .to_owned()
        }
        NameError::NotAllowed => {
            "이 이름의 글자들은 함께 쓸 수 없습니다(RFC 8265). 한 문자 체계의 글자와 숫자를 쓰십시오".to_owned()
        }
    }
}
