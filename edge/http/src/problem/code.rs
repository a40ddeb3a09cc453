//! Every code of a problem, with its status, its title and what can be done: one table.

use crate::language::Language;
use axum::http::StatusCode;

/// One row: what is written of a code.
#[derive(Clone, Copy, Debug)]
struct CodeText {
    code: &'static str,
    status: StatusCode,
    titles: [&'static str; 2],
    abouts: [&'static str; 2],
}

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $code:literal $status:ident
        [$english:literal, $korean:literal] [$about:literal, $about_korean:literal];)+) => {
        /// What is wrong. A code never changes its meaning, on whatever surface, and never its status.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum ProblemCode { $($(#[$meta])* $variant,)+ }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$variant,)+];

            fn row(self) -> CodeText {
                match self {
                    $(ProblemCode::$variant => CodeText {
                        code: $code,
                        status: StatusCode::$status,
                        titles: [$english, $korean],
                        abouts: [$about, $about_korean],
                    },)+
                }
            }
        }
    };
}

codes! {
    /// The path is none of ours.
    NotFound = "not-found" NOT_FOUND
        ["Not found", "찾을 수 없습니다"]
        ["Nothing is at this path. /api/openapi.json lists what there is.",
         "이 경로에는 아무것도 없습니다. 있는 경로는 /api/openapi.json에서 볼 수 있습니다."];
    /// The path has other methods.
    MethodNotAllowed = "method-not-allowed" METHOD_NOT_ALLOWED
        ["Method not allowed", "허용되지 않는 메서드입니다"]
        ["The path exists, but not with this method. The header Allow names those that it has.",
         "경로는 있지만 이 메서드는 쓸 수 없습니다. Allow 헤더에 쓸 수 있는 메서드가 있습니다."];
    /// A part of the path cannot be read.
    PathInvalid = "path-invalid" BAD_REQUEST
        ["The path is not valid", "경로가 올바르지 않습니다"]
        ["A part of the path is not of the form that is described: a number that is none, or bytes that are no UTF-8.",
         "경로의 한 부분이 정해진 형식이 아닙니다. 숫자가 아니거나 UTF-8이 아닙니다."];
    /// A parameter of the query is unknown, missing or of another form.
    QueryInvalid = "query-invalid" BAD_REQUEST
        ["The query is not valid", "질의 매개변수가 올바르지 않습니다"]
        ["A parameter behind the ? is unknown, missing, repeated or of another form than is described. `errors` names it.",
         "? 뒤의 매개변수가 알 수 없거나, 빠졌거나, 되풀이되었거나, 정해진 형식이 아닙니다. `errors`에 그 이름이 있습니다."];
    /// The body is not said to be JSON.
    ContentType = "content-type" UNSUPPORTED_MEDIA_TYPE
        ["The body is not JSON", "본문이 JSON이 아닙니다"]
        ["A body is sent with Content-Type: application/json.",
         "본문은 Content-Type: application/json으로 보내십시오."];
    /// The body is not JSON.
    JsonInvalid = "json-invalid" BAD_REQUEST
        ["The JSON cannot be read", "JSON을 읽을 수 없습니다"]
        ["The body is no JSON in UTF-8 (RFC 8259). The detail names the line and column.",
         "본문이 UTF-8로 된 JSON(RFC 8259)이 아닙니다. 자세한 설명에 줄과 칸이 있습니다."];
    /// The body is nested too deeply.
    JsonTooDeep = "json-too-deep" BAD_REQUEST
        ["The JSON is nested too deeply", "JSON이 너무 깊게 중첩되었습니다"]
        ["No body needs more than a few levels of arrays and objects.",
         "배열과 객체를 여러 겹으로 중첩할 필요가 있는 본문은 없습니다."];
    /// The body has other values than are described.
    BodyInvalid = "body-invalid" UNPROCESSABLE_ENTITY
        ["The body has a wrong value", "본문의 값이 올바르지 않습니다"]
        ["A value of the body is missing, unknown, repeated or of another type. `errors` has its JSON pointer (RFC 6901).",
         "본문의 값이 빠졌거나, 알 수 없거나, 되풀이되었거나, 형식이 다릅니다. `errors`에 JSON 포인터(RFC 6901)가 있습니다."];
    /// The body is longer than is read.
    BodyTooLong = "body-too-long" PAYLOAD_TOO_LARGE
        ["The body is too long", "본문이 너무 깁니다"]
        ["The detail names the greatest length.", "자세한 설명에 가장 긴 길이가 있습니다."];
    /// The body took too long; whoever accepts connections answers so.
    BodyTooLate = "body-too-late" REQUEST_TIMEOUT
        ["The body did not come in time", "본문이 제때 오지 않았습니다"]
        ["Whoever is slow is not waited for without end. Send it again.",
         "느린 전송을 끝없이 기다리지는 않습니다. 다시 보내십시오."];
    /// The body ended before its end.
    BodyIncomplete = "body-incomplete" BAD_REQUEST
        ["The body did not arrive", "본문이 끝까지 오지 않았습니다"]
        ["The connection ended within the body, or its framing is wrong. Send it again.",
         "본문을 보내는 중에 연결이 끊겼거나 틀이 잘못되었습니다. 다시 보내십시오."];
    /// Whoever asks must say who it is.
    LoginNeeded = "login-needed" UNAUTHORIZED
        ["Log in first", "먼저 로그인하십시오"]
        ["Send Authorization: Bearer with an access token of POST /api/v1/sessions, or X-Api-Key where a service may ask.",
         "POST /api/v1/sessions로 받은 접근 토큰을 Authorization: Bearer로 보내거나, 서비스라면 X-Api-Key를 보내십시오."];
    /// The access token is none of ours.
    TokenInvalid = "token-invalid" UNAUTHORIZED
        ["The access token is not valid", "접근 토큰이 올바르지 않습니다"]
        ["It was not made by this server, or for something else. Refresh the session, or log in again.",
         "이 서버가 만든 토큰이 아니거나 다른 용도의 토큰입니다. 세션을 갱신하거나 다시 로그인하십시오."];
    /// The access token was valid.
    TokenExpired = "token-expired" UNAUTHORIZED
        ["The access token has expired", "접근 토큰이 만료되었습니다"]
        ["Access tokens hold for minutes. POST /api/v1/sessions/refresh gives the next.",
         "접근 토큰은 몇 분 동안만 유효합니다. POST /api/v1/sessions/refresh로 다음 토큰을 받으십시오."];
    /// The session of a token has ended.
    SessionEnded = "session-ended" UNAUTHORIZED
        ["The session has ended", "세션이 끝났습니다"]
        ["It was logged out, not used for too long, or ended with a new password. Log in again.",
         "로그아웃했거나, 오래 쓰지 않았거나, 비밀번호가 바뀌어 끝났습니다. 다시 로그인하십시오."];
    /// A refresh token was used twice.
    TokenReused = "token-reused" UNAUTHORIZED
        ["A refresh token was used twice", "갱신 토큰이 두 번 쓰였습니다"]
        ["Somebody else may have it, so the session was ended. Log in again; a program keeps the newest token only.",
         "다른 사람이 가지고 있을 수 있어 세션을 끝냈습니다. 다시 로그인하십시오. 프로그램은 가장 새로운 토큰만 보관해야 합니다."];
    /// No service has the key.
    KeyInvalid = "key-invalid" UNAUTHORIZED
        ["The key is not valid", "키가 올바르지 않습니다"]
        ["No service has this key; it may have been rotated or removed.",
         "이 키를 가진 서비스가 없습니다. 교체되었거나 삭제되었을 수 있습니다."];
    /// Wrong name or wrong password.
    WrongCredentials = "wrong-credentials" UNAUTHORIZED
        ["Wrong name or password", "이름이나 비밀번호가 틀렸습니다"]
        ["Nobody is told which of the two is wrong.", "둘 가운데 어느 것이 틀렸는지는 누구에게도 알려 주지 않습니다."];
    /// Only admins may.
    AdminOnly = "admin-only" FORBIDDEN
        ["Only an admin may do this", "관리자만 할 수 있습니다"]
        ["Ask an admin of this server.", "이 서버의 관리자에게 문의하십시오."];
    /// The key lacks a scope.
    ScopeMissing = "scope-missing" FORBIDDEN
        ["The key may not do this", "이 키로는 할 수 없습니다"]
        ["The detail names the scope that is missing. An operator gives it with `madang key add`.",
         "자세한 설명에 필요한 권한 범위가 있습니다. 운영자가 `madang key add`로 줄 수 있습니다."];
    /// The session is too old for this.
    FreshLoginNeeded = "fresh-login-needed" FORBIDDEN
        ["Log in again for this", "이 일을 하려면 다시 로그인하십시오"]
        ["What cannot be undone needs a session that was opened with the password some minutes ago at most.",
         "되돌릴 수 없는 일은 비밀번호로 방금 로그인한 세션에서만 할 수 있습니다."];
    /// The account may not log in.
    Banned = "banned" FORBIDDEN
        ["The account is banned", "차단된 계정입니다"]
        ["`until` is the end of the ban; without it there is none.",
         "`until`은 차단이 끝나는 때입니다. 없으면 끝이 없습니다."];
    /// A page of another origin asks.
    OriginNotAllowed = "origin-not-allowed" FORBIDDEN
        ["Pages of this origin may not ask", "이 출처의 페이지는 요청할 수 없습니다"]
        ["Cookies are taken from pages of this server and of the origins that its operator lists.",
         "쿠키는 이 서버의 페이지와 운영자가 정한 출처에서만 받습니다."];
    /// Others on the way could read the password.
    PlainPassword = "plain-password" FORBIDDEN
        ["Passwords need an encrypted connection", "비밀번호는 암호화된 연결로 보내야 합니다"]
        ["Use https, or ask the operator to set accounts.plain_passwords = \"always\", as for a class on its own network.",
         "https를 쓰거나, 수업처럼 자체 네트워크에서 쓴다면 운영자가 accounts.plain_passwords = \"always\"로 설정하십시오."];
    /// Nobody makes accounts here.
    SignUpClosed = "sign-up-closed" FORBIDDEN
        ["Nobody can sign up here", "가입할 수 없습니다"]
        ["The operator decides with accounts.sign_up who can make accounts.",
         "누가 계정을 만들 수 있는지는 운영자가 accounts.sign_up으로 정합니다."];
    /// A code is needed to sign up.
    SignUpCodeNeeded = "sign-up-code-needed" FORBIDDEN
        ["A sign-up code is needed", "가입 코드가 필요합니다"]
        ["Send sign_up_code; an admin of this server makes codes.",
         "sign_up_code를 보내십시오. 코드는 이 서버의 관리자가 만듭니다."];
    /// The code to sign up is none, or used up.
    SignUpCodeInvalid = "sign-up-code-invalid" FORBIDDEN
        ["The sign-up code does not hold", "가입 코드를 쓸 수 없습니다"]
        ["It is mistyped, used up, expired or withdrawn. Ask whoever gave it for another.",
         "잘못 입력했거나, 다 쓰였거나, 만료되었거나, 취소되었습니다. 코드를 준 사람에게 새 코드를 받으십시오."];
    /// It is no name.
    NameInvalid = "name-invalid" UNPROCESSABLE_ENTITY
        ["The name is not valid", "쓸 수 없는 이름입니다"]
        ["Names are letters and digits of any script and - _ . and begin with a letter or digit.",
         "이름은 글자와 숫자, - _ . 로 이루어지고 글자나 숫자로 시작합니다."];
    /// An account has or had the name.
    NameTaken = "name-taken" CONFLICT
        ["The name is taken", "이미 쓰이는 이름입니다"]
        ["An account has it, or had it: names are never given twice. Choose another.",
         "이 이름을 쓰는 계정이 있거나 있었습니다. 이름은 다시 주지 않습니다. 다른 이름을 고르십시오."];
    /// The name looks like another one.
    NameConfusable = "name-confusable" CONFLICT
        ["The name looks like a taken one", "이미 쓰이는 이름과 비슷합니다"]
        ["A reader could take it for another account's name. Choose another.",
         "다른 계정의 이름으로 잘못 볼 수 있습니다. 다른 이름을 고르십시오."];
    /// It is no name to show.
    DisplayNameInvalid = "display-name-invalid" UNPROCESSABLE_ENTITY
        ["The display name is not valid", "쓸 수 없는 표시 이름입니다"]
        ["It has 1 to 64 visible characters.", "보이는 글자 1자에서 64자까지입니다."];
    /// The password would be guessed.
    PasswordWeak = "password-weak" UNPROCESSABLE_ENTITY
        ["The password is too weak", "비밀번호가 너무 약합니다"]
        ["Take several words that do not belong together; no special characters are needed.",
         "서로 관계없는 낱말 여러 개를 쓰십시오. 특수 문자는 없어도 됩니다."];
    /// The two are not the same.
    PasswordsDiffer = "passwords-differ" UNPROCESSABLE_ENTITY
        ["The two passwords differ", "두 비밀번호가 다릅니다"]
        ["Type the same twice.", "같은 비밀번호를 두 번 입력하십시오."];
    /// A value has not the form that it needs.
    BadValue = "bad-value" UNPROCESSABLE_ENTITY
        ["A value is out of its range", "값이 정해진 범위를 벗어났습니다"]
        ["The detail names the value and what it may be.", "자세한 설명에 값과 허용되는 범위가 있습니다."];
    /// No account has the name.
    NoAccount = "no-account" NOT_FOUND
        ["There is no such account", "그런 계정이 없습니다"]
        ["Look for it by the beginning of its name.", "이름의 앞부분으로 찾아보십시오."];
    /// The account has no such session.
    NoSession = "no-session" NOT_FOUND
        ["There is no such session", "그런 세션이 없습니다"]
        ["It has ended, or is another account's.", "이미 끝났거나 다른 계정의 세션입니다."];
    /// There is no such sign-up code.
    NoCode = "no-code" NOT_FOUND
        ["There is no such code", "그런 코드가 없습니다"]
        ["It was withdrawn, or has expired.", "취소되었거나 만료되었습니다."];
    /// The last admin would go.
    LastAdmin = "last-admin" CONFLICT
        ["The last admin must stay", "마지막 관리자는 남아 있어야 합니다"]
        ["Make another account an admin first.", "먼저 다른 계정을 관리자로 만드십시오."];
    /// There are as many as there may be.
    TooManyCodes = "too-many-codes" CONFLICT
        ["There are too many codes", "코드가 너무 많습니다"]
        ["Withdraw some that are not needed any more.", "필요 없는 코드를 취소하십시오."];
    /// The one-time code does not hold.
    CodeGone = "code-gone" GONE
        ["The code does not hold any more", "더 이상 쓸 수 없는 코드입니다"]
        ["It is mistyped, was used, or has expired. Ask an admin for another.",
         "잘못 입력했거나, 이미 쓰였거나, 만료되었습니다. 관리자에게 새 코드를 받으십시오."];
    /// A change needs the state that it is based on.
    IfMatchMissing = "if-match-missing" PRECONDITION_REQUIRED
        ["If-Match is needed", "If-Match가 필요합니다"]
        ["Send the ETag of the last GET as If-Match, so that nobody's change is lost; If-Match: * overwrites.",
         "다른 사람의 변경이 사라지지 않도록 마지막 GET의 ETag를 If-Match로 보내십시오. If-Match: *는 덮어씁니다."];
    /// What was changed is not what was read.
    ChangedMeanwhile = "changed-meanwhile" PRECONDITION_FAILED
        ["It was changed meanwhile", "그사이에 바뀌었습니다"]
        ["Read it again, and send the change with the new ETag.",
         "다시 읽은 뒤 새 ETag와 함께 변경을 보내십시오."];
    /// More is asked than one may.
    TooManyRequests = "too-many-requests" TOO_MANY_REQUESTS
        ["Too many requests", "요청이 너무 많습니다"]
        ["Retry-After says when there is room again; RateLimit-Policy says what the limit is.",
         "언제 다시 요청할 수 있는지는 Retry-After에, 한도는 RateLimit-Policy에 있습니다."];
    /// Passwords are guessed.
    TooManyGuesses = "too-many-guesses" TOO_MANY_REQUESTS
        ["Too many wrong passwords", "비밀번호가 너무 여러 번 틀렸습니다"]
        ["Wait for as long as Retry-After says. A device that is logged in does not wait.",
         "Retry-After만큼 기다리십시오. 이미 로그인한 기기는 기다리지 않습니다."];
    /// More passwords wait than are computed.
    Busy = "busy" SERVICE_UNAVAILABLE
        ["Too many requests wait", "기다리는 요청이 너무 많습니다"]
        ["The server has more to do than it can. Try again after Retry-After.",
         "서버가 처리할 수 있는 것보다 요청이 많습니다. Retry-After만큼 기다린 뒤 다시 시도하십시오."];
    /// The directory does not answer.
    DirectoryUnavailable = "directory-unavailable" SERVICE_UNAVAILABLE
        ["Accounts cannot be reached", "계정 정보에 접근할 수 없습니다"]
        ["The database of accounts does not answer. Try again in a moment; the operator finds the reason in the journal.",
         "계정 데이터베이스가 응답하지 않습니다. 잠시 뒤에 다시 시도하십시오. 까닭은 운영자가 저널에서 볼 수 있습니다."];
}

impl ProblemCode {
    /// As programs compare it.
    pub fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The code of that name.
    pub fn named(code: &str) -> Option<ProblemCode> {
        ProblemCode::ALL.iter().copied().find(|known| known.as_str() == code)
    }

    /// The status of an answer with it.
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// What is wrong, in some words.
    pub fn title(self, language: Language) -> &'static str {
        let [english, korean] = self.row().titles;
        if language == Language::Korean { korean } else { english }
    }

    /// What it means, and what can be done.
    pub fn about(self, language: Language) -> &'static str {
        let [english, korean] = self.row().abouts;
        if language == Language::Korean { korean } else { english }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_code_is_one_word_with_dashes_and_has_words_in_both_languages() {
        let codes: BTreeSet<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), ProblemCode::ALL.len());
        let is_hangul = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
        for code in ProblemCode::ALL {
            let text = code.as_str();
            assert!(text.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{text}");
            assert_eq!(ProblemCode::named(text), Some(*code));
            assert!(code.status().is_client_error() || code.status().is_server_error());
            for words in [ProblemCode::title, ProblemCode::about] {
                assert!(!is_hangul(words(*code, Language::English)), "{text}");
                assert!(is_hangul(words(*code, Language::Korean)), "{text}");
            }
        }
        assert_eq!(ProblemCode::named("nothing"), None);
    }
}
