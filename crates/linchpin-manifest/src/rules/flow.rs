//! Rules of flows alone.

super::rules! {
LP201 Error "the connector does nothing"
"A connector has at least one action, event or monitor; helpers and authentication only serve them. Annotate a function with `#[action(..)]`."
bad "[auth.none]\nkind = \"none\"" + "// nothing else\n#[authping]\nasync fn authping(cx: Context) -> Result<String>"
good "" + "// nothing else\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<Records<String>>";

LP202 Error "two flows share a name"
"Users, manifests and the command line know a flow by the name of its function, wherever the function stands. Rename one of them."
bad "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>\n/// List Closed Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>"
good "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>\n/// List Closed Issues\n#[action(read)]\nasync fn list_closed_issues(cx: Context) -> Result<String>";

LP203 Error "there are two `#[authping]` functions"
"A connection is checked in one way, whatever its method; inside the function you see which one is in use. Keep one."
bad "[auth.none]\nkind = \"none\"" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>\n#[authping]\nasync fn ping(cx: Context) -> Result<String>"
good "[auth.none]\nkind = \"none\"" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>";

LP204 Error "there are two `#[revoke]` functions"
"A connection is ended in one way. Keep one of the functions, and let it do all that the service asks for."
bad "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>\n#[revoke]\nasync fn revoke(cx: Context) -> Result<String>\n#[revoke]\nasync fn end(cx: Context) -> Result<String>"
good "[auth.token]\nkind = \"bearer\"\nfields.token = { secret = true }" + "#[authping]\nasync fn authping(cx: Context) -> Result<String>\n#[revoke]\nasync fn revoke(cx: Context) -> Result<String>";

LP205 Error "a flow has a reserved name"
"`authping` and `revoke` are what platforms call the flows of these kinds; a flow of another kind by that name would be taken for one of them."
bad "" + "/// Ping\n#[action(read)]\nasync fn authping(cx: Context) -> Result<String>"
good "" + "/// Ping\n#[action(read)]\nasync fn ping(cx: Context) -> Result<String>";

LP206 Error "the name of a flow is not in snake case"
"The function's name is the flow's key in manifests, URLs and commands: lower-case letters, digits and `_`, beginning with a letter."
bad "" + "/// List Issues\n#[action(read)]\nasync fn listIssues(cx: Context) -> Result<String>"
good "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>";

LP207 Error "two actions have the same title"
"Users choose an action by its title. The title is the first line of the doc comment: give each its own."
bad "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>\n/// List Issues\n#[action(read)]\nasync fn search_issues(cx: Context) -> Result<String>"
good "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>\n/// Search Issues\n#[action(read)]\nasync fn search_issues(cx: Context) -> Result<String>";

LP208 Error "a title has a forbidden character"
"Titles are made of letters, digits, inner blanks and `-_/'&().,`, so that they can be shown, searched and quoted everywhere."
bad "" + "/// List `Issues`\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>"
good "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>";

LP209 Warning "an action is not documented"
"The doc comment is what users and agents read before they choose the action: the first line is the title, the rest the help."
bad "" + "#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>"
good "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>";

LP210 Error "an action does not say what it does at the service"
"Retries, dry runs and hints for agents follow from the effect: `read`, `create`, `update` or `delete`."
bad "" + "/// List Issues\n#[action]\nasync fn list_issues(cx: Context) -> Result<String>"
good "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>";

LP211 Error "an action that writes does not say what repeating it does"
"After a lost answer nobody knows whether the service acted. Say `idempotency = \"key\"` where the service honours a key, `\"natural\"` where repeating changes nothing more, `\"none\"` where it must never be repeated."
bad "" + "/// Create Issue\n#[action(create)]\nasync fn create_issue(cx: Context) -> Result<String>"
good "" + "/// Create Issue\n#[action(create, idempotency = \"none\")]\nasync fn create_issue(cx: Context) -> Result<String>";

LP212 Error "inputs or options are not an object"
"Cards show one field for each property, so inputs and options are structs with `#[fields]`, not a single value."
bad "" + "/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<String>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    state: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP220 Error "choices come from an unknown helper"
"A field's choices name a `#[helper]` function of the same connector."
bad "" + "#[fields]\nstruct Query {\n    #[field(choices = projects)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(choices = projects)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n#[helper]\nasync fn projects(cx: Context) -> Result<String>";

LP221 Error "choices come from a flow that is no helper"
"Choices are asked for while a card is filled in, which may only be done by a `#[helper]`. Put the shared part into one, and let the other flow call it with `cx.call`."
bad "" + "#[fields]\nstruct Query {\n    #[field(choices = projects)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n/// List Projects\n#[action(read)]\nasync fn projects(cx: Context) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(choices = projects)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n/// Projects\n#[helper]\nasync fn projects(cx: Context) -> Result<String>";

LP222 Error "a helper of choices needs an input that nothing gives"
"The fields that `depends_on` lists are handed to the helper by their names. Every required input of the helper must be among them; others must be optional."
bad "" + "#[fields]\nstruct Query {\n    owner: String,\n    #[field(choices = projects)]\n    project: String,\n}\n#[fields]\nstruct Owner {\n    owner: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n#[helper]\nasync fn projects(cx: Context, Input(o): Input<Owner>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    owner: String,\n    #[field(choices = projects, depends_on = owner)]\n    project: String,\n}\n#[fields]\nstruct Owner {\n    owner: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n#[helper]\nasync fn projects(cx: Context, Input(o): Input<Owner>) -> Result<String>";

LP223 Error "a field depends on an unknown field"
"`depends_on` names fields beside this one, or at the top of the same card."
bad "" + "#[fields]\nstruct Query {\n    #[field(choices = projects, depends_on = owner)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n#[helper]\nasync fn projects(cx: Context) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    owner: String,\n    #[field(choices = projects, depends_on = owner)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n#[helper]\nasync fn projects(cx: Context) -> Result<String>";

LP224 Error "fields depend on each other in a circle"
"Nobody could fill in the first of them. Let one of the fields do without the others."
bad "" + "#[fields]\nstruct Query {\n    #[field(choices = projects, depends_on = project)]\n    owner: String,\n    #[field(choices = projects, depends_on = owner)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n#[helper]\nasync fn projects(cx: Context) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(choices = projects)]\n    owner: String,\n    #[field(choices = projects, depends_on = owner)]\n    project: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>\n#[helper]\nasync fn projects(cx: Context) -> Result<String>";

LP225 Error "the label of an input has a forbidden character"
"Labels are made of letters, digits, inner blanks and `-_/'&().,`, so that they can be shown, searched and quoted everywhere."
bad "" + "#[fields]\nstruct Query {\n    #[field(label = \"State?\")]\n    state: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(label = \"State\")]\n    state: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP226 Warning "two fields of a card have the same label"
"Users cannot tell them apart, and neither can messages that name a field by its label."
bad "" + "#[fields]\nstruct Query {\n    #[field(label = \"State\")]\n    state: String,\n    #[field(label = \"State\")]\n    status: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(label = \"State\")]\n    state: String,\n    #[field(label = \"Status\")]\n    status: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP227 Error "an action gives out a secret"
"Outputs are stored, shown and passed on by those who call the action. A secret may be an input, but never an output: leave the field out."
bad "" + "#[fields]\nstruct Hook {\n    #[field(secret)]\n    signing_key: String,\n}\n/// Get Hook\n#[action(read)]\nasync fn get_hook(cx: Context) -> Result<Hook>"
good "" + "#[fields]\nstruct Hook {\n    id: String,\n}\n/// Get Hook\n#[action(read)]\nasync fn get_hook(cx: Context) -> Result<Hook>";

LP228 Error "the default of a field is not among its choices"
"The card would begin with a value that it then refuses. Take one of the choices."
bad "" + "#[fields]\nstruct Query {\n    #[field(choices = [\"open\", \"closed\"], default = \"all\")]\n    state: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(choices = [\"open\", \"closed\"], default = \"open\")]\n    state: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP229 Error "the default of a field is not a value of its type"
"Inputs are checked against their schema before a flow runs, so this default would always be refused."
bad "" + "#[fields]\nstruct Query {\n    #[field(default = \"ten\")]\n    limit: i64,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(default = \"ten\")]\n    limit: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP230 Warning "a helper is never used"
"No field takes its choices and no configuration value comes from it, and its name stands nowhere else in the files of the flows. Use it, or take it away."
bad "" + "#[helper]\nasync fn projects(cx: Context) -> Result<String>"
good "" + "#[helper]\nasync fn projects(cx: Context) -> Result<String>\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context) -> Result<String>\n    { cx.call::<projects>(()).await }";

LP231 Error "a choice is listed twice"
"The second one can never be told from the first. Take it away, or mend its value."
bad "" + "#[fields]\nstruct Query {\n    #[field(choices = [\"open\", \"open\"])]\n    state: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(choices = [\"open\", \"closed\"])]\n    state: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP232 Error "a field has a bound that its type does not have"
"JSON Schema lets such a bound stand and holds nothing back by it. `min` and `max` bind numbers, `min_length` and `max_length` texts and lists, `pattern` texts."
bad "" + "#[fields]\nstruct Query {\n    #[field(min = 1)]\n    title: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(min_length = 1)]\n    title: String,\n    #[field(min = 1)]\n    number: i64,\n    #[field(max_length = 3)]\n    labels: Vec<String>,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP233 Error "a pattern is not a regular expression"
"Inputs are checked by the crate `regex` before a flow runs, and no value would fit. It knows no look-around and no back-references."
bad "" + "#[fields]\nstruct Query {\n    #[field(pattern = \"^[a-z+$\")]\n    owner: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>"
good "" + "#[fields]\nstruct Query {\n    #[field(pattern = \"^[a-z]+$\")]\n    owner: String,\n}\n/// List Issues\n#[action(read)]\nasync fn list_issues(cx: Context, Input(q): Input<Query>) -> Result<String>";

LP234 Error "an option of a webhook or monitor is secret"
"What a registration or a monitor was turned on with is kept as it is and shown to whoever looks after it. A secret is a field of the connection, which is sealed; a key that a service signs with is `SigningSecret`."
bad "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, Options(o): Options<Watched>, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Watched {\n    #[field(secret)]\n    pass_phrase: String,\n}\n#[fields]\nstruct Member {\n    id: String,\n}"
good "[event.member_joined]\nname = \"Member Joined\"" + "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn member_joined(cx: Context, Options(o): Options<Watched>, cursor: Cursor<String>) -> Result<Polled<Member, String>>\n#[fields]\nstruct Watched {\n    group: String,\n}\n#[fields]\nstruct Member {\n    id: String,\n}";
}
