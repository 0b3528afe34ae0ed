//! Rules of a spec alone.

super::rules! {
LP100 Error "the file is not TOML"
"A spec is a TOML file. Nothing else can be said of it before it can be read: mend what is marked first."
bad "key = tracker"
good "key = \"tracker\"";

LP101 Error "a key is not known"
"Every key of a spec is known to this build, so a misspelt one cannot be passed over in silence: its default would quietly hold instead. Take the suggested key, or one of those listed."
bad "[http]\ntimout = \"5s\""
good "[http]\ntimeout = \"5s\"";

LP102 Error "a key is missing"
"Some keys have no default that could be right for every service. Add the key; the help says what it holds."
bad "[event.issue_opened]"
good "[event.issue_opened]\nname = \"Issue Opened\"";

LP103 Error "a value has the wrong type"
"TOML tells texts, numbers, lists and tables apart, and so do specs: `1.10` without quotes would be the number 1.1. Write the value in the form that the help shows."
bad "[http]\ntimeout = 30"
good "[http]\ntimeout = \"30s\"";

LP104 Error "a word is not one of those known"
"Here only a few words mean something. Take the suggested one, or one of those listed."
bad "[auth.token]\nkind = \"baerer\"\nfields.token = { secret = true }"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }";

LP105 Error "the version of the spec format is not known"
"`schema` says which rules a spec was written by. A spec of a later version may mean things that this build does not know: use a build that does, or write the spec for this version."
bad "schema = 9\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\ndescription = \"Issues.\"\ndocumentation_url = \"https://tracker.example\"\nsupport_email = \"support@tracker.example\"\n[http]\nbase_url = \"https://api.tracker.example\""
good "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\ndescription = \"Issues.\"\ndocumentation_url = \"https://tracker.example\"\nsupport_email = \"support@tracker.example\"\n[http]\nbase_url = \"https://api.tracker.example\"";

LP106 Error "a text is empty or has blanks around it"
"Users see these texts, and other parts compare them. An empty one says nothing, and blanks at the ends are never meant: write the text, or leave the key out."
bad "name = \"Tracker \""
good "name = \"Tracker\"";

LP107 Error "a number is out of range"
"The number is smaller or larger than anything that could work. Write one within the range that the help gives."
bad "[http]\nlimits = { pages = 0 }"
good "[http]\nlimits = { pages = 500 }";

LP110 Error "the connector's key has a forbidden form"
"The key names files, commands and environment variables, and never changes. It is made of lower-case letters, digits and `_`, and begins with a letter."
bad "key = \"My-Tracker\""
good "key = \"my_tracker\"";

LP111 Error "a key that the author chooses has a forbidden form"
"Keys of methods, fields, hooks, events and monitors become names in Rust and in templates: lower-case letters, digits and `_`, beginning with a letter."
bad "[event.IssueOpened]\nname = \"Issue Opened\""
good "[event.issue_opened]\nname = \"Issue Opened\"";

LP112 Error "the version is not a semantic version"
"Platforms order versions and judge by them what may break. Write three numbers, with an optional pre-release."
bad "version = \"1.0\""
good "version = \"1.0.0\"";

LP113 Error "the accent colour is not a colour"
"The colour is written as `#` and three or six hexadecimal digits; names and other notations differ between platforms."
bad "accent_colour = \"teal\""
good "accent_colour = \"#008080\"";

LP114 Error "a URL is not usable"
"URLs are whole and begin with `https://`, without credentials or fragment. The base URL has no query either, since paths are put behind it."
bad "documentation_url = \"tracker.example/docs\""
good "documentation_url = \"https://tracker.example/docs\"";

LP115 Error "a URL is not encrypted"
"Credentials and data would cross the network for everyone to read. Use `https://`. A mock server on your machine is reached with `--base-url`, which is the operator's leave for exactly that address."
bad "[http]\nbase_url = \"http://api.tracker.example\""
good "[http]\nbase_url = \"https://api.tracker.example\"";

LP116 Error "the support address is not an e-mail address"
"Users write to this address: give a plain one, without a display name."
bad "support_email = \"tracker.example/help\""
good "support_email = \"support@tracker.example\"";

LP117 Error "the icon's path is not usable"
"The icon travels with the spec, so its path stays inside the spec's folder, and it is an `.svg` or `.png` file."
bad "icon = \"../icon.gif\""
good "icon = \"icons/tracker.svg\"";

LP118 Error "a duration cannot be read, or is too short"
"A duration is a whole number and a unit: ms, s, m, h or d. A number alone could mean any of them."
bad "[http]\ntimeout = \"30 seconds\""
good "[http]\ntimeout = \"30s\"";

LP119 Error "a size cannot be read"
"A size is a whole number and a unit: B, KiB, MiB or GiB."
bad "[http]\nlimits = { body = \"32MB\" }"
good "[http]\nlimits = { body = \"32MiB\" }";

LP120 Error "a budget cannot be read"
"A budget is a number of requests and the time in which they may be sent, as in `5000/1h`."
bad "[http]\nrate_limit = { budget = \"5000 per hour\" }"
good "[http]\nrate_limit = { budget = \"5000/1h\" }";

LP121 Error "the name of a header has a forbidden form"
"A name of a header is a token (RFC 9110 §5.1); with anything else no request could be sent."
bad "[http]\nheaders = { \"X Tracker\" = \"1\" }"
good "[http]\nheaders = { X-Tracker = \"1\" }";

LP122 Error "the value of a header has a forbidden form"
"Line breaks and other control characters would end the header and begin another one."
bad "[http]\nheaders = { X-Tracker = \"1\\n\" }"
good "[http]\nheaders = { X-Tracker = \"1\" }";

LP123 Error "a JSON pointer cannot be read"
"Places in JSON are written as pointers (RFC 6901): each step behind a `/`. The empty pointer is the whole document."
bad "[http]\nerror = { message = \"error.message\" }"
good "[http]\nerror = { message = \"/error/message\" }";

LP124 Error "a template cannot be read"
"In a template braces stand around the key of a connection field, and for nothing else."
bad "[auth.token]\nkind = \"bearer\"\ntoken = \"{token\"\nfields.token = { secret = true }"
good "[auth.token]\nkind = \"bearer\"\ntoken = \"{token}\"\nfields.token = { secret = true }";

LP125 Error "a status cannot be matched"
"Status codes go from 100 to 599. Match one, a list of them, or a class such as `\"4xx\"`."
bad "[[http.outcome]]\nwhen = { status = 1000 }\nthen = \"fail\""
good "[[http.outcome]]\nwhen = { status = [403, \"5xx\"] }\nthen = \"fail\"";

LP126 Error "a host is not an exact name"
"These hosts get credentials, so each is named exactly: no scheme, no path, no wildcard."
bad "[http]\nhosts = [\"*.tracker.example\"]"
good "[http]\nhosts = [\"uploads.tracker.example\"]";

LP127 Error "a header cannot be set for every request"
"`Authorization` and cookies belong to `[auth]`, and the transport itself writes headers such as `Host` and `Content-Length`: a fixed value would break requests or leak."
bad "[http]\nheaders = { Authorization = \"Basic dXNlcg==\" }"
good "[http]\nheaders = { Accept = \"application/json\" }";

LP128 Error "a header is named twice"
"Names of headers do not tell upper case from lower case, so both entries mean the same header, and only one of them could hold."
bad "[http]\nheaders = { Accept = \"text/plain\", accept = \"application/json\" }"
good "[http]\nheaders = { Accept = \"application/json\" }";

LP130 Warning "the connector has no description"
"Catalogues show one or two sentences that say what the connector does."
bad "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\ndocumentation_url = \"https://tracker.example\"\nsupport_email = \"support@tracker.example\"\n[http]\nbase_url = \"https://api.tracker.example\""
good "description = \"Issues and projects in Tracker.\"";

LP131 Warning "the connector has no documentation URL"
"Users who set up a connection look for what they need there."
bad "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\ndescription = \"Issues.\"\nsupport_email = \"support@tracker.example\"\n[http]\nbase_url = \"https://api.tracker.example\""
good "documentation_url = \"https://tracker.example/docs\"";

LP132 Warning "the connector has no support address"
"Users of a connector that fails need somebody to write to."
bad "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\ndescription = \"Issues.\"\ndocumentation_url = \"https://tracker.example\"\n[http]\nbase_url = \"https://api.tracker.example\""
good "support_email = \"support@tracker.example\"";

LP140 Error "a template names a field that the connection does not have"
"A template is filled from the fields of the method in use. Those of `[http]` are filled whatever the method, so every method must have the field; without any method there are no fields."
bad "[http]\nbase_url = \"https://{site}.tracker.example\"\n[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }"
good "[http]\nbase_url = \"https://{site}.tracker.example\"\n[auth.token]\nkind = \"bearer\"\nfields.site = {}\nfields.token = { secret = true }";

LP141 Error "a field could decide to whom credentials go"
"In a host a text field stands for one DNS label in front of a name that the spec fixes, so that no value can send credentials elsewhere. Fix at least two labels at the end, or say `type = \"host\"` where users really name the host, and let the field end the host."
bad "[http]\nbase_url = \"https://{site}/api\"\n[auth.token]\nkind = \"bearer\"\nfields.site = {}\nfields.token = { secret = true }"
good "[http]\nbase_url = \"https://{site}/api\"\n[auth.token]\nkind = \"bearer\"\nfields.site = { type = \"host\" }\nfields.token = { secret = true }";

LP142 Error "a template needs a field that may be missing"
"The template cannot be filled where the connection lacks the field. Drop `optional`, or give the field a default."
bad "[http]\nbase_url = \"https://{site}.tracker.example\"\n[auth.token]\nkind = \"bearer\"\nfields.site = { optional = true }\nfields.token = { secret = true }"
good "[http]\nbase_url = \"https://{site}.tracker.example\"\n[auth.token]\nkind = \"bearer\"\nfields.site = { optional = true, default = \"www\" }\nfields.token = { secret = true }";

LP143 Warning "a secret stands in a URL"
"Proxies, logs of the service and error messages show URLs. Where the service takes the secret in a header, send it there."
bad "[http]\nbase_url = \"https://api.tracker.example/{token}\"\n[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }";

LP144 Error "a field's name looks secret, but nothing says whether it is"
"What is not marked as secret is shown, logged and exported. Say `secret = true`, or `secret = false` where everyone may see the value."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { label = \"Token\" }"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { label = \"Token\", secret = true }";

LP145 Error "a secret has a default"
"The default stands in the spec and in every copy of it, so it is no secret. Leave it out."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true, default = \"t0k3n\" }"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true, placeholder = \"trk_..\" }";

LP146 Error "a field differs between methods"
"Code sees one `Connection` for all methods, so a field of one key has one type and is secret everywhere or nowhere. Make them agree, or give one another key."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\n[auth.key]\nkind = \"bearer\"\nfields.token = { secret = false }"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\n[auth.key]\nkind = \"bearer\"\nfields.token = { secret = true }";

LP147 Error "the choices of a field are no choice"
"A list of choices has at least one value, and none of them twice."
bad "[http]\nbase_url = \"https://{region}.tracker.example\"\n[auth.none]\nkind = \"none\"\nfields.region = { choices = [\"eu\", \"us\", \"eu\"] }"
good "[http]\nbase_url = \"https://{region}.tracker.example\"\n[auth.none]\nkind = \"none\"\nfields.region = { choices = [\"eu\", \"us\"] }";

LP148 Error "a default is not among the choices"
"The form would begin with a value that it then refuses. Take one of the choices."
bad "[http]\nbase_url = \"https://{region}.tracker.example\"\n[auth.none]\nkind = \"none\"\nfields.region = { choices = [\"eu\", \"us\"], default = \"de\" }"
good "[http]\nbase_url = \"https://{region}.tracker.example\"\n[auth.none]\nkind = \"none\"\nfields.region = { choices = [\"eu\", \"us\"], default = \"eu\" }";

LP149 Error "a field with choices also says a type or a pattern"
"Choices already say which values there are. Leave the other key out."
bad "[http]\nbase_url = \"https://{region}.tracker.example\"\n[auth.none]\nkind = \"none\"\nfields.region = { choices = [\"eu\", \"us\"], pattern = \"[a-z]+\" }"
good "[http]\nbase_url = \"https://{region}.tracker.example\"\n[auth.none]\nkind = \"none\"\nfields.region = { choices = [\"eu\", \"us\"] }";

LP150 Warning "a field is used by no template"
"The form asks for it, and the spec does nothing with it. Use it in a template, or take it away; a field that only code reads may stay."
bad "[auth.token]\nkind = \"bearer\"\nfields.site = {}\nfields.token = { secret = true }"
good "[http]\nbase_url = \"https://{site}.tracker.example\"\n[auth.token]\nkind = \"bearer\"\nfields.site = {}\nfields.token = { secret = true }";

LP151 Error "the label of a field has a forbidden character"
"Labels are made of letters, digits, inner blanks and `-_/'&().,`, so that they can be shown, searched and quoted everywhere."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { label = \"Token <new>\", secret = true }"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { label = \"Token (new)\", secret = true }";

LP152 Error "a method lacks what its kind needs"
"A key goes into a header, a query parameter or a cookie, so `api_key` names one of them; `custom` sends at least one header, query parameter or field of a body; a session has steps, and sends something of what they bring."
bad "[auth.key]\nkind = \"api_key\"\nfields.api_key = { secret = true }"
good "[auth.key]\nkind = \"api_key\"\nheader = \"X-Api-Key\"\nfields.api_key = { secret = true }";

LP153 Error "two methods have the same name"
"Users choose a method by its name. Give each a name of its own."
bad "[auth.token]\nkind = \"bearer\"\nname = \"Token\"\nfields.token = { secret = true }\n[auth.other]\nkind = \"bearer\"\nname = \"Token\"\nfields.token = { secret = true }"
good "[auth.token]\nkind = \"bearer\"\nname = \"Token\"\nfields.token = { secret = true }\n[auth.other]\nkind = \"bearer\"\nname = \"Old token\"\nfields.token = { secret = true }";

LP154 Error "the authorization code grant has no authorization URL"
"Users consent in a browser at the authorization URL. Add `authorization_url`, or use `client_credentials` where no user consents."
bad "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"authorization_code\"\ntoken_url = \"https://tracker.example/token\""
good "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"authorization_code\"\nauthorization_url = \"https://tracker.example/authorize\"\ntoken_url = \"https://tracker.example/token\"";

LP155 Warning "an authorization URL is never used"
"With client credentials no user is asked for consent. Leave `authorization_url` out, or use `authorization_code`."
bad "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\nauthorization_url = \"https://tracker.example/authorize\"\ntoken_url = \"https://tracker.example/token\""
good "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\ntoken_url = \"https://tracker.example/token\"";

LP156 Error "a scope is listed twice"
"The second one changes nothing, and another may have been meant."
bad "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\ntoken_url = \"https://tracker.example/token\"\nscopes = [\"read\", \"read\"]"
good "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\ntoken_url = \"https://tracker.example/token\"\nscopes = [\"read\", \"write\"]";

LP157 Error "a scope is not one scope"
"Scopes are sent with blanks between them, so a scope has none itself. Write each as a text of its own."
bad "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\ntoken_url = \"https://tracker.example/token\"\nscopes = [\"read write\"]"
good "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\ntoken_url = \"https://tracker.example/token\"\nscopes = [\"read\", \"write\"]";

LP158 Error "a field has a name that the method itself fills"
"What the service gives in exchange, as `access_token` and `refresh_token`, comes from no form."
bad "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\ntoken_url = \"https://tracker.example/token\"\nfields.access_token = { secret = true, optional = true }"
good "[auth.oauth]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\ntoken_url = \"https://tracker.example/token\"\nfields.tenant = { optional = true }";

LP159 Error "the claims of an assertion are not right"
"An assertion says who issued it (RFC 7523 §3), so `iss` is among the claims. `iat`, `exp` and `jti` are made anew for each, so they are not."
bad "[auth.robot]\nkind = \"jwt_bearer\"\nalgorithm = \"RS256\"\ntoken_url = \"https://tracker.example/token\"\nclaims = { sub = \"{account}\", exp = \"3600\" }\nfields.account = {}\nfields.private_key = { secret = true }"
good "[auth.robot]\nkind = \"jwt_bearer\"\nalgorithm = \"RS256\"\ntoken_url = \"https://tracker.example/token\"\nclaims = { iss = \"{account}\" }\nfields.account = {}\nfields.private_key = { secret = true }";

LP160 Error "an outcome rule has no condition"
"It would decide about every response, also the good ones. Say in `when` which responses it means."
bad "[[http.outcome]]\nwhen = {}\nthen = \"fail\""
good "[[http.outcome]]\nwhen = { status = 409 }\nthen = \"fail\"";

LP161 Error "an outcome rule can never be reached"
"Rules are tried in their order, and an earlier one already matches every response that this one means. Put the narrower rule first, or take one away."
bad "[[http.outcome]]\nwhen = { status = \"4xx\" }\nthen = \"fail\"\n[[http.outcome]]\nwhen = { status = 404 }\nthen = \"not_found\""
good "[[http.outcome]]\nwhen = { status = 404 }\nthen = \"not_found\"\n[[http.outcome]]\nwhen = { status = \"4xx\" }\nthen = \"fail\"";

LP162 Warning "an outcome rule lists a status twice"
"A code that is listed already, or that lies in a listed class, changes nothing."
bad "[[http.outcome]]\nwhen = { status = [\"5xx\", 503] }\nthen = \"fail\""
good "[[http.outcome]]\nwhen = { status = [403, \"5xx\"] }\nthen = \"fail\"";

LP163 Warning "a message or code is never shown"
"A call that succeeds has no message, and only `fail` leaves open as what a call fails. Leave it out, or let the rule say `fail`."
bad "[[http.outcome]]\nwhen = { status = 404 }\nthen = \"ignore\"\nmessage = \"gone\""
good "[[http.outcome]]\nwhen = { status = 404 }\nthen = \"not_found\"\nmessage = \"gone\"";

LP164 Error "nothing, or too much, says how a list goes on"
"The next page and the page size are each asked for in one place, a query parameter or a value of the JSON body, and a list that is paged by number has its length told in items or in pages. Say one of the two."
bad "[http]\npagination = { style = \"offset\", query = \"skip\", body = \"/skip\" }"
good "[http]\npagination = { style = \"offset\", body = \"/skip\" }";

LP165 Error "a page size is larger than the largest"
"The service gives no more than `max`, so that the size asked for could never be had."
bad "[http]\npagination = { style = \"link-header\", page_size = { query = \"limit\", value = 200, max = 100 } }"
good "[http]\npagination = { style = \"link-header\", page_size = { query = \"limit\", value = 50, max = 100 } }";

LP166 Error "a condition is not a regular expression"
"Conditions are read by the crate `regex`, which takes time in proportion to the text and so knows no look-around and no back-references."
bad "[[http.outcome]]\nwhen = { body = { \"/error\" = { regex = \"(\" } } }\nthen = \"fail\""
good "[[http.outcome]]\nwhen = { body = { \"/error\" = { regex = \"^quota_\" } } }\nthen = \"rate_limited\"";

LP167 Error "an outcome rule can never match"
"Two of its conditions exclude each other: one place lies inside the other, which the rule wants to be a plain value or not to be there."
bad "[[http.outcome]]\nwhen = { body = { \"/error\" = { exists = false }, \"/error/code\" = 7 } }\nthen = \"fail\""
good "[[http.outcome]]\nwhen = { body = { \"/error\" = { exists = true }, \"/error/code\" = 7 } }\nthen = \"fail\"";

LP168 Error "the first wait is longer than the longest"
"No wait is ever longer than `longest`, so that `first` could not be kept."
bad "[http]\nretry = { first = \"2m\" }"
good "[http]\nretry = { first = \"2m\", longest = \"10m\" }";

LP170 Error "an event names an unknown hook"
"An event is delivered by one of the spec's hooks. Mend the name, or add the hook."
bad "[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"\nmatch = { body = { \"/action\" = \"opened\" } }"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"";

LP171 Error "a hook does not say how its deliveries are trusted"
"Everyone who finds the address could invent events, so a delivery that proves nothing is refused. Say how the service signs what it delivers. Where it signs in a way that no scheme describes, say `scheme = \"code\"` and write a `#[webhook(verify)]` function."
bad "[hook.project]\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\""
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"";

LP172 Error "two events of a hook mean the same deliveries"
"A delivery is given to the one event that it matches. Let each event's `match` ask for something that the others exclude: another value of the same header or of the same place in the body."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"\nmatch = { body = { \"/action\" = \"opened\" } }\n[event.issue_closed]\nname = \"Issue Closed\"\nhook = \"project\""
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"\nmatch = { body = { \"/action\" = \"opened\" } }\n[event.issue_closed]\nname = \"Issue Closed\"\nhook = \"project\"\nmatch = { body = { \"/action\" = \"closed\" } }";

LP173 Error "a signature's key names a field that a connection may lack"
"Deliveries are verified with the field of the connection that they are for, so every method must have it, and it may not be optional."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\n[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", key = \"{signing_secret}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\""
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\nfields.signing_secret = { secret = true }\n[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", key = \"{signing_secret}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"";

LP174 Error "a signature's key is not secret"
"Who knows the key can sign deliveries of their own. Mark the field as `secret = true`."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\nfields.signer = {}\n[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", key = \"{signer}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\""
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\nfields.signer = { secret = true }\n[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", key = \"{signer}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"";

LP175 Error "an event without a hook has a match"
"Only deliveries are matched, and only they wake; what a monitor finds is the event already. Name the hook, or leave `match`, `filter` and `wakes` out."
bad "[event.member_joined]\nname = \"Member Joined\"\nmatch = { body = { \"/action\" = \"joined\" } }"
good "[event.member_joined]\nname = \"Member Joined\"";

LP176 Warning "a hook delivers no event"
"Its deliveries would be verified and dropped. Add an event with this hook, or take the hook away."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"";

LP177 Error "two events have the same name"
"Users choose an event by its name. Give each a name of its own."
bad "[event.member_joined]\nname = \"Member\"\n[event.member_left]\nname = \"Member\""
good "[event.member_joined]\nname = \"Member Joined\"\n[event.member_left]\nname = \"Member Left\"";

LP178 Error "the name of an event has a forbidden character"
"Names are made of letters, digits, inner blanks and `-_/'&().,`, so that they can be shown, searched and quoted everywhere."
bad "[event.member_joined]\nname = \"Member #1\""
good "[event.member_joined]\nname = \"Member 1\"";

LP179 Error "a signature leaves a part of the delivery open"
"What is not signed anybody on the way could change. So the body is signed, or its digest in a signed URL, and a time or id that stands in a header is part of what is signed. Each part that `signed` names stands somewhere: `{timestamp}` in `timestamp_header` or `timestamp_element`, `{id}` in `id_header`."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", signed = \"{timestamp}.{body}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\""
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", signed = \"{timestamp}.{body}\", timestamp_header = \"X-Time\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"";

LP180 Error "an assertion is missing, or never used"
"`private_key_jwt` proves the client by an assertion, and `assertion` says how it is signed. With any other `client_authentication` nobody reads it. Each assertion is good once, so that it does not go with device codes."
bad "[auth.itself]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\nclient = \"customer\"\nclient_authentication = \"private_key_jwt\"\ntoken_url = \"https://tracker.example/token\"\nfields.private_key = { secret = true }"
good "[auth.itself]\nkind = \"oauth2\"\ngrant = \"client_credentials\"\nclient = \"customer\"\nclient_authentication = \"private_key_jwt\"\nassertion = { algorithm = \"RS256\" }\ntoken_url = \"https://tracker.example/token\"\nfields.private_key = { secret = true }";

LP181 Error "an assertion is good for too long"
"Whoever finds an assertion can use it until it expires, and services take none that is good for more than an hour. It is used at once: minutes are enough."
bad "[auth.robot]\nkind = \"jwt_bearer\"\nalgorithm = \"RS256\"\nlifetime = \"1d\"\ntoken_url = \"https://tracker.example/token\"\nclaims = { iss = \"tracker\" }\nfields.private_key = { secret = true }"
good "[auth.robot]\nkind = \"jwt_bearer\"\nalgorithm = \"RS256\"\nlifetime = \"3m\"\ntoken_url = \"https://tracker.example/token\"\nclaims = { iss = \"tracker\" }\nfields.private_key = { secret = true }";

LP182 Error "a key that signs is not secret"
"Who knows the key can act in the connection's name: it signs assertions, requests, or for a certificate. Mark the field as `secret = true`."
bad "[auth.robot]\nkind = \"jwt_bearer\"\nalgorithm = \"RS256\"\nkey = \"{pem}\"\ntoken_url = \"https://tracker.example/token\"\nclaims = { iss = \"tracker\" }\nfields.pem = {}"
good "[auth.robot]\nkind = \"jwt_bearer\"\nalgorithm = \"RS256\"\nkey = \"{pem}\"\ntoken_url = \"https://tracker.example/token\"\nclaims = { iss = \"tracker\" }\nfields.pem = { secret = true }";

LP183 Error "a step of a session can be read in two ways"
"A step has one body, `json` or `form`, and a GET has none. A name stands for one value: it is extracted once, from one place."
bad "[auth.login]\nkind = \"session\"\nsteps = [{ url = \"/login\", json = { \"/user\" = \"{user}\" }, extract = { sid = { body = \"/sid\", cookie = \"sid\" } } }]\nheaders = { X-Session = \"{sid}\" }\nfields.user = {}"
good "[auth.login]\nkind = \"session\"\nsteps = [{ url = \"/login\", json = { \"/user\" = \"{user}\" }, extract = { sid = { cookie = \"sid\" } } }]\nheaders = { X-Session = \"{sid}\" }\nfields.user = {}";

LP184 Error "a signed method does not fit its scheme"
"`aws-sigv4` needs a region and a service, `hmac-header` a header and what is signed; where the time is signed, a header tells it to the service. Keys of another scheme would do nothing."
bad "[auth.aws]\nkind = \"signed\"\nscheme = \"aws-sigv4\"\nregion = \"eu-west-1\"\nheader = \"X-Signature\"\nfields.access_key = { secret = false }\nfields.secret_key = { secret = true }"
good "[auth.aws]\nkind = \"signed\"\nscheme = \"aws-sigv4\"\nregion = \"eu-west-1\"\nservice = \"s3\"\nsession_token = \"{session_token}\"\nfields.access_key = { secret = false }\nfields.secret_key = { secret = true }\nfields.session_token = { secret = true, optional = true }";

LP185 Error "nothing, or too much, says where a configuration value comes from"
"A configuration value is either written in the spec or given by a helper."
bad "[config.account]\nlabel = \"Account\""
good "[config.account]\nlabel = \"Account\"\nvalue = \"123456789012\"";

LP186 Error "a configuration value does not keep its secret"
"What is made of a secret field is itself secret, and says so. A secret that stands in the spec is none: everyone can read it there."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\n[config.header]\nvalue = \"Bearer {token}\""
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }\n[config.header]\nvalue = \"Bearer {token}\"\nsecret = true";

LP191 Error "a rate limit allows everything"
"An entry says how many requests go in which time, how many at once, or both. What is learnt from headers needs a budget to begin with."
bad "[http]\nrate_limit = { per = \"connector\" }"
good "[http]\nrate_limit = { concurrency = 10, per = \"connector\" }";

LP192 Error "a request costs more than there ever is"
"Each request of the flow counts as so many of the budget's. More than the whole budget is never there at once, so the flow could do nothing."
bad "[http]\nrate_limit = { budget = \"10/1s\", costs = { search = 20 } }"
good "[http]\nrate_limit = { budget = \"10/1s\" }";
}
