//! Rules of a spec and its flows together.

super::rules! {
LP301 Error "the spec has auth, but no function checks a connection"
"Without `#[authping]` nobody learns whether a new connection works, or when an old one stops working. Add one that asks the service who the connection is."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }" + "#[revoke]\nasync fn revoke(cx: Context) -> Result<String>"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>\n#[revoke]\nasync fn revoke(cx: Context) -> Result<String>";

LP302 Warning "no function takes back what the service can revoke"
"When a user deletes a connection, its token should die at the service too. Name its revocation endpoint (RFC 7009) in `revocation_url`, or add a `#[revoke]` function where the service has a call of its own for it."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>\n#[revoke]\nasync fn revoke(cx: Context) -> Result<String>";

LP303 Warning "there is nothing to revoke"
"No method of the spec has a credential, so the `#[revoke]` function is never called. Take it away, or add the method."
bad "[auth.none]\nkind = \"none\"" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>\n#[revoke]\nasync fn revoke(cx: Context) -> Result<String>"
good "[auth.none]\nkind = \"none\"" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>";

LP310 Error "a hook is registered, but never deregistered"
"The service would go on delivering to an address that nobody listens at. Add a `#[webhook(deregister, hook = \"..\")]` function."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP311 Error "a hook is deregistered, but never registered"
"There is nothing to take back. Add a `#[webhook(register, hook = \"..\")]` function, whose result the deregistration takes."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP312 Error "two functions do the same for a hook"
"It would not be known which of them to call. Keep one, and let options say what differs; or make it another hook."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(register, hook = \"project\")]\nasync fn register_all(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP313 Error "a flow names an unknown hook"
"The hook of a webhook flow is one of the spec's. Mend the name, or add the hook to the spec."
bad "" + "#[webhook(register, hook = \"projet\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"projet\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP314 Error "a hook of the spec is registered by no function"
"The service never learns where to deliver. Add a `#[webhook(register, hook = \"..\")]` function and its counterpart, or take the hook away."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP315 Error "a flow serves an unknown event"
"Events are the spec's. Mend the name in the attribute, or add the event to the spec."
bad "" + "#[monitor(event = \"member_joned\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP316 Error "an event of the spec is served by no function"
"Users could choose an event that never comes. Add `#[webhook(event = \"..\")]` for an event with a hook, `#[monitor(event = \"..\")]` for one without, or take the event away."
bad "[event.member_joined]\nname = \"Member Joined\"" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP317 Error "an event is served by two functions"
"It would not be known which of them shapes it. Keep one, or make two events."
bad "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP318 Error "a webhook flow serves an event without a hook"
"Nothing ever delivers the event. Name the hook in the spec's event, or let a `#[monitor]` look for it."
bad "[event.issue_opened]\nname = \"Issue Opened\"" + "#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP319 Error "only a monitor serves an event that a hook delivers"
"What the hook delivers is lost without a `#[webhook(event = \"..\")]` function. With one, the monitor finds again what was not delivered."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"member_joined\")]\nasync fn joined(cx: Context) -> Result<Member>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP320 Error "the spec speaks of a monitor that does not exist"
"`[monitor.<name>]` is for the `#[monitor]` function of that name. Mend the name, or take the section away."
bad "[event.member_joined]\nname = \"Member Joined\"\n[monitor.members]\nevery = \"10m\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\nevery = \"10m\"" + "#[monitor(event = \"member_joined\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP321 Error "a monitor has no schedule"
"Say in the attribute or in the spec's `[monitor.<name>]` how often the service is asked."
bad "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP322 Error "the schedule of a monitor is not usable"
"A schedule is a whole number and a unit, as in `5m`, from a second to 30 days."
bad "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"31d\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"1s\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP323 Warning "a monitor cannot tell records apart"
"Looks overlap, and a record that two of them see is emitted twice. Say with `dedupe` where a record has its id."
bad "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP324 Error "what tells records apart is not in the records"
"`dedupe` is a JSON pointer into one record, as in `/id`. With a place that no record has, all records would be one."
bad "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/uuid\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP325 Error "a monitor takes another cursor than it gives"
"The cursor of one look is the parameter of the next, so both have one type."
bad "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, i64>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<i64>) -> Result<Polled<Member, i64>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP326 Error "a webhook flow takes what another hook's registration gives"
"`Registered<..>` and `Found<..>` name the function that registers the same hook."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<list_things>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP330 Error "an action repeats with a key, but the spec does not say how to send it"
"`idempotency = \"key\"` promises that the service takes a key. Name its header in the spec, or say `\"natural\"` or `\"none\"`."
bad "" + "/// Create Issue\n#[action(create, idempotency = \"key\")]\nasync fn create_issue(cx: Context) -> Result<String>"
good "[http]\nidempotency = { header = \"Idempotency-Key\" }" + "/// Create Issue\n#[action(create, idempotency = \"key\")]\nasync fn create_issue(cx: Context) -> Result<String>";

LP331 Warning "no action uses the idempotency key of the spec"
"The service takes keys, and no action that writes says `idempotency = \"key\"`, so lost answers are not made good. Say so in the attributes of those that may be repeated."
bad "[http]\nidempotency = { header = \"Idempotency-Key\" }" + "/// Create Issue\n#[action(create, idempotency = \"none\")]\nasync fn create_issue(cx: Context) -> Result<String>"
good "[http]\nidempotency = { header = \"Idempotency-Key\" }" + "/// Create Issue\n#[action(create, idempotency = \"key\")]\nasync fn create_issue(cx: Context) -> Result<String>";

LP332 Error "a configuration value comes from no helper that could give it"
"The value is shown before a connection works, and to whoever sets it up. So its helper is one that by its type has no credentials: it takes `Unconnected` in place of `Context`, no input, and gives a text."
bad "[config.account]\nhelper = \"account\"" + "#[helper]\nasync fn account(cx: Context) -> Result<String>"
good "[config.account]\nhelper = \"account\"" + "#[helper]\nasync fn account(cx: Unconnected) -> Result<String>";

LP333 Error "costs are those of no flow"
"What a request costs is said by the key of the flow that makes it. A misspelt key would let the flow's requests count as one each."
bad "[http]\nrate_limit = { budget = \"10/1s\", costs = { find = 5 } }" + ""
good "[http]\nrate_limit = { budget = \"10/1s\", costs = { search = 5 } }" + "/// Search\n#[action(read)]\nasync fn search(cx: Context) -> Result<String>";

LP340 Error "the keys of a signature do not fit each other"
"A header holds one signature, several between blanks (`several`), or a list of `k=v` elements (`element`); the time stands in one place, and only a key in base64 has a prefix."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", element = \"v1\", several = true, timestamp_element = \"t\", signed = \"{timestamp}.{body}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", element = \"v1\", timestamp_element = \"t\", signed = \"{timestamp}.{body}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP341 Error "a place in a delivery is none, or more than one"
"A value is taken from one place of the delivery: a header, a query parameter of the URL, or the body."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\ndelivery_id = { header = \"X-Id\", body = \"/id\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\ndelivery_id = { body = \"/id\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP342 Error "a handshake cannot be told, or not be answered"
"A handshake is told from deliveries by what it looks like (`when`) or by what only it has (`take`, `token`). Its answer is one of `text`, `json` and `header`, made of `{value}`, which `take` names, and `{hmac}`, which needs the hook's key. A URL is confirmed only at the hosts that `confirm_hosts` names."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[[hook.project.handshake]]\nmethod = \"GET\"\nreply = { text = \"{value}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[[hook.project.handshake]]\nmethod = \"GET\"\ntake = { query = \"challenge\" }\nsigned = false\nreply = { text = \"{value}\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP343 Error "a hook of the whole app lacks its route or its key"
"Deliveries to the one URL of an app are verified first, under the key of whoever runs the connector, and then given to the connections whose value is the one that `route` names. A registration's own URL needs no route."
bad "[hook.project]\nscope = \"app\"\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", key = \"app\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nscope = \"app\"\nroute = { body = \"/team\", connection = \"{account}\" }\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\", key = \"app\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP344 Error "a filter names an unknown option"
"A registration gets only the deliveries whose value is that of its option. The option is a field of the `Options` that the registering flow takes; for a hook without one, of those of the event's flow."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"\nfilter = { body = { \"/project\" = \"{projct}\" } }" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context, Options(o): Options<ProjectHook>) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>\n#[fields]\nstruct ProjectHook {\n    project: String,\n}"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"\nfilter = { body = { \"/project\" = \"{project}\" } }" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context, Options(o): Options<ProjectHook>) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>\n#[fields]\nstruct ProjectHook {\n    project: String,\n}";

LP345 Error "a signed time may be too far away"
"Whoever finds a signed delivery can send it again for as long as its time is taken. Five minutes are usual, a day is the most."
bad "[hook.project]\nsignature = { scheme = \"stripe\", tolerance = \"2d\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"stripe\", tolerance = \"10m\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP347 Error "a public key cannot be read"
"An Ed25519 public key is 32 bytes: 64 hexadecimal digits, 44 characters of base64, or PEM with its first and last line."
bad "[hook.project]\nsignature = { scheme = \"ed25519\", header = \"X-Signature\", public_key = \"abc\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"ed25519\", header = \"X-Signature\", public_key = \"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP348 Error "no algorithm of a token is taken"
"A token says itself how it is signed, so the spec lists which ways are taken. A list without any would refuse every delivery."
bad "[hook.project]\nsignature = { scheme = \"jwt\", header = \"Authorization\", jwks_url = \"https://tracker.example/keys\", issuer = \"https://tracker.example\", audience = \"linchpin\", algorithms = [] }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"jwt\", header = \"Authorization\", jwks_url = \"https://tracker.example/keys\", issuer = \"https://tracker.example\", audience = \"linchpin\", algorithms = [\"RS256\"] }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP360 Error "a cron schedule is not usable"
"`cron` has five fields, minute, hour, day of the month, month and day of the week, as in `0 9 * * mon-fri`, with seconds before them where wanted, and `zone` is a name of the IANA database, as in `Europe/Berlin`."
bad "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\ncron = \"0 25 * * *\"" + "#[monitor(event = \"member_joined\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\ncron = \"0 9 * * mon-fri\"\nzone = \"Europe/Berlin\"" + "#[monitor(event = \"member_joined\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP361 Error "the active hours of a monitor are not usable"
"`hours` go from one time of day to another, as in `08:00-18:00`; over midnight, as in `22:00-06:00`, they belong to the day on which they begin."
bad "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\nactive = { hours = \"8-18\" }" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\nactive = { hours = \"08:00-18:00\" }" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP362 Error "a monitor says something twice"
"Of two schedules, or two places of an id, one would be ignored. Say it in the attribute or in the spec, and either `every` or `cron`."
bad "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\nevery = \"10m\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\nevery = \"10m\"" + "#[monitor(event = \"member_joined\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP363 Error "a monitor does not look back as far as the spec says"
"Only the flow knows how its service is asked for what came earlier. Take `overlap: Overlap`, and begin the look at `overlap.before(cursor)`."
bad "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\noverlap = \"10m\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\noverlap = \"10m\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>, overlap: Overlap) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP364 Error "the first run of a monitor is not usable"
"`since` is a time, as in `2026-01-01T00:00:00Z`, or so long before the first look, as in `7d`; and only the flow knows how its service is asked for what came since. Take `Since(since): Since`. Either `since` or `last` is said."
bad "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\nfirst_run = { since = \"7d\" }" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\nfirst_run = { since = \"7d\" }" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>, since: Since) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP365 Error "an event that is delivered and looked for cannot be told apart"
"What the hook delivers is found by the monitor as well. Say with `dedupe` where the event has its id, so that it is handed on once."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"member_joined\")]\nasync fn joined(cx: Context) -> Result<Member>\n#[monitor(event = \"member_joined\", every = \"5m\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"member_joined\")]\nasync fn joined(cx: Context) -> Result<Member>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP366 Error "an event has two shapes"
"The same event is delivered by a hook and found by a monitor, and whoever gets it cannot know which. Let both flows give one type."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"member_joined\")]\nasync fn joined(cx: Context) -> Result<String>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"member_joined\")]\nasync fn joined(cx: Context) -> Result<Member>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP367 Error "a look is put off for longer than there is between two"
"With a `jitter` that is not shorter than the interval, looks would overtake each other."
bad "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\njitter = \"10m\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"\n[monitor.member_joined]\njitter = \"1m\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP370 Error "a hook is looked after, but never registered"
"A check, a renewal and a listing are about what a `#[webhook(register, hook = \"..\")]` function has registered, and take or make its result. Add it, or take them away."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(check, hook = \"project\")]\nasync fn check(cx: Context, Registered(id): Registered<register>) -> Result<HookState>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(check, hook = \"project\")]\nasync fn check(cx: Context, Registered(id): Registered<register>) -> Result<HookState>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP371 Error "a renewal gives something else than the registration"
"What a renewal gives takes the place of what the registration gave: the deregistration gets it. So both give one type, which the compiler checks where the renewal takes `Registered<..>`."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(renew, hook = \"project\")]\nasync fn renew(cx: Context, Registered(id): Registered<register>) -> Result<i64>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(renew, hook = \"project\")]\nasync fn renew(cx: Context, Registered(id): Registered<register>) -> Result<String>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>";

LP372 Error "what a registration gives has nothing where the spec looks"
"`expires.at` and `key_at` are JSON pointers into what the registering flow gives. At a place that it never has nobody would learn when to renew, or with which key deliveries are signed."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\nexpires = { at = \"/expires\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<Channel>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>\n#[fields]\nstruct Channel {\n    id: String,\n    expiration: String,\n}"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\nexpires = { at = \"/expiration\" }\n[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<Channel>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"issue_opened\")]\nasync fn issue_opened(cx: Context) -> Result<String>\n#[fields]\nstruct Channel {\n    id: String,\n    expiration: String,\n}";

LP373 Error "deliveries wake no monitor"
"A delivery of an event with `wakes` says only that there is news, and the event's monitor finds out what. Add a `#[monitor(event = \"..\")]` function, or take `wakes` away."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"\nwakes = true" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"\nwakes = true" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";

LP374 Error "a flow waits for deliveries that only wake a monitor"
"Deliveries of an event with `wakes` are never given to a flow: what happened is what the monitor finds. Take the flow away, or `wakes` where the deliveries say what happened."
bad "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"\nwakes = true" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[webhook(event = \"member_joined\")]\nasync fn joined(cx: Context) -> Result<Member>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[hook.project]\nsignature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n[event.member_joined]\nname = \"Member Joined\"\nhook = \"project\"\nwakes = true" + "#[webhook(register, hook = \"project\")]\nasync fn register(cx: Context) -> Result<String>\n#[webhook(deregister, hook = \"project\")]\nasync fn deregister(cx: Context, Registered(id): Registered<register>) -> Result<()>\n#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";
}
