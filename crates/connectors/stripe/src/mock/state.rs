//! What the mock keeps, and how it answers.

use std::collections::{BTreeMap, HashMap};

use linchpin::serde_json::{Map, Value, json};
use wiremock::{Request, ResponseTemplate, http::Url};

use super::{CAREFUL_CARD, COUNT, DECLINED_CARD, Fault, PAID, SECRET_KEY, payload};

pub(super) struct State {
    pub(super) faults: Vec<(String, Fault, usize)>,
    pub(super) replays: usize,
    /// Objects by the collection in their paths, the oldest first.
    objects: BTreeMap<&'static str, Vec<Value>>,
    /// What was written with which key, and what came of it.
    done: HashMap<String, (Vec<u8>, u16, Value)>,
    asked: u64,
}

/// An error: its status, its type, its code, its message.
type Problem = (u16, &'static str, &'static str, String);

type Answer = Result<Value, Problem>;

/// What was asked: the parameters of the query, or those of the form in the body.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &str) -> Result<&str, Problem> {
        let missing = || invalid("parameter_missing", &format!("Missing required param: {name}."));
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// What is within a name: `address[city]` of `address`.
    fn under(&self, name: &str) -> Map<String, Value> {
        let within = self.0.iter().filter_map(|(given, value)| {
            let inner = given.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            Some((inner.to_owned(), value.clone().into()))
        });
        within.collect()
    }

    /// Puts what was given for these names into an object; an empty text takes away.
    fn put(&self, into: &mut Value, names: &[&str]) {
        for name in names {
            match self.get(name) {
                None => {}
                Some("") => into[*name] = Value::Null,
                Some(value @ ("true" | "false")) => into[*name] = (value == "true").into(),
                Some(value) => {
                    into[*name] = match value.parse::<i64>() {
                        Ok(number) if into[*name].is_number() => number.into(),
                        _ => value.into(),
                    };
                }
            }
        }
        for (name, value) in self.under("metadata") {
            into["metadata"][name] = value;
        }
    }
}

fn invalid(code: &'static str, message: &str) -> Problem {
    (400, "invalid_request_error", code, message.to_owned())
}

fn missing(id: &str) -> Problem {
    (404, "invalid_request_error", "resource_missing", format!("No such object: '{id}'"))
}

impl State {
    pub(super) fn new() -> State {
        let all = |make: fn(usize) -> Value| (1..=COUNT).map(make).collect::<Vec<_>>();
        let objects = BTreeMap::from([
            ("customers", all(payload::customer)),
            ("products", all(payload::product)),
            ("prices", all(payload::price)),
            ("payment_intents", all(payload::payment)),
            ("charges", Vec::new()),
            ("refunds", Vec::new()),
            ("invoices", all(payload::invoice)),
            ("subscriptions", vec![payload::subscription(1, vec![payload::first_item()])]),
            ("events", all(payload::event)),
            ("webhook_endpoints", all(payload::endpoint)),
        ]);
        let mut state = State { faults: Vec::new(), replays: 0, objects, done: HashMap::new(), asked: 0 };
        // It is there.
        let _ = state.charge(PAID, super::CARD);
        state
    }

    pub(super) fn kept(&mut self, collection: &str) -> &mut Vec<Value> {
        let known = self.objects.keys().copied().find(|known| *known == collection);
        self.objects.entry(known.unwrap_or_default()).or_default()
    }

    pub(super) fn respond(&mut self, request: &Request) -> ResponseTemplate {
        self.asked += 1;
        let id = format!("req_{:08}", self.asked);
        self.answer(request).insert_header("request-id", id)
    }

    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().to_owned();
        let name = format!("{} {path}", request.method);
        if let Some((_, fault, times)) =
            self.faults.iter_mut().find(|(broken, _, times)| *broken == name && *times > 0)
        {
            *times -= 1;
            return broken(*fault);
        }
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        // `sk_test_mock:` in base64.
        let accepted = [format!("Bearer {SECRET_KEY}"), "Basic c2tfdGVzdF9tb2NrOg==".to_owned()];
        if !header("authorization").is_some_and(|given| accepted.iter().any(|key| key == given)) {
            return broken(Fault::Unauthorized);
        }
        let key = header("idempotency-key").filter(|_| request.method.as_str() == "POST");
        let print = [name.as_bytes(), b"\n", &request.body].concat();
        if let Some((earlier, status, body)) = key.and_then(|key| self.done.get(key)) {
            if *earlier != print {
                let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
                return refused((400, "idempotency_error", "", message.to_owned()));
            }
            self.replays += 1;
            let answer = ResponseTemplate::new(*status).set_body_json(body);
            return answer.insert_header("idempotent-replayed", "true");
        }
        let written = String::from_utf8_lossy(&request.body).into_owned();
        // The parser of queries is that of forms.
        let form = Url::parse(&format!("http://form/?{written}")).ok();
        let body = form.iter().flat_map(|form| form.query_pairs().into_owned());
        let asked = Asked(request.url.query_pairs().into_owned().chain(body).collect());
        let segments: Vec<&str> = path.split('/').skip(2).collect();
        let (status, body) = match self.api(request.method.as_str(), &segments, &asked) {
            Ok(body) => (200, body),
            Err(problem) => (problem.0, said(&problem)),
        };
        if let Some(key) = key {
            self.done.insert(key.to_owned(), (print, status, body.clone()));
        }
        ResponseTemplate::new(status).set_body_json(body)
    }

    fn api(&mut self, method: &str, path: &[&str], asked: &Asked) -> Answer {
        match (method, path) {
            ("GET", ["account"]) => Ok(payload::account()),
            ("GET", ["balance"]) => Ok(payload::balance()),
            ("GET", ["customers", "search"]) => self.search(asked),
            ("GET", [collection]) => self.list(collection, asked),
            ("GET", [collection, id]) => {
                let found = self.object(collection, id)?.clone();
                self.expanded(found, asked)
            }
            ("POST", ["customers"]) => {
                let mut customer = payload::customer(self.next("customers"));
                (customer["name"], customer["email"]) = (Value::Null, Value::Null);
                self.changed(&mut customer, asked);
                self.kept("customers").push(customer.clone());
                Ok(customer)
            }
            ("POST", ["customers", id]) => {
                let mut customer = self.object("customers", id)?.clone();
                self.changed(&mut customer, asked);
                *self.object("customers", id)? = customer.clone();
                Ok(customer)
            }
            ("DELETE", ["customers", id]) => {
                let customer = self.object("customers", id)?;
                if customer["deleted"] == true {
                    return Err(missing(id));
                }
                *customer = json!({ "id": id, "object": "customer", "deleted": true });
                Ok(customer.clone())
            }
            ("POST", ["products"]) => {
                asked.need("name")?;
                let mut product = payload::product(self.next("products"));
                asked.put(&mut product, &["name", "description", "active", "unit_label", "url"]);
                product["images"] = asked.under("images").into_values().collect();
                self.kept("products").push(product.clone());
                Ok(product)
            }
            ("POST", ["prices"]) => {
                let product = asked.need("product")?;
                self.object("products", product)?;
                asked.need("currency")?;
                let mut price = payload::price(self.next("prices"));
                asked.put(&mut price, &["product", "currency", "unit_amount", "nickname", "lookup_key"]);
                price["recurring"] = match asked.get("recurring[interval]") {
                    None => Value::Null,
                    Some(interval) => json!({
                        "interval": interval,
                        "interval_count": asked.number("recurring[interval_count]").unwrap_or(1),
                        "usage_type": "licensed",
                    }),
                };
                price["type"] = if price["recurring"].is_null() { "one_time" } else { "recurring" }.into();
                self.kept("prices").push(price.clone());
                Ok(price)
            }
            ("POST", ["payment_intents"]) => {
                asked.need("amount")?;
                asked.need("currency")?;
                let mut payment = payload::payment(self.next("payment_intents"));
                payment["customer"] = Value::Null;
                let names = [
                    "amount",
                    "currency",
                    "customer",
                    "description",
                    "payment_method",
                    "capture_method",
                    "receipt_email",
                ];
                asked.put(&mut payment, &names);
                if payment["payment_method"].is_string() {
                    payment["status"] = "requires_confirmation".into();
                }
                let id = text(&payment["id"]).to_owned();
                self.kept("payment_intents").push(payment.clone());
                match asked.get("confirm") {
                    Some("true") => self.charge(&id, asked.need("payment_method")?),
                    _ => Ok(payment),
                }
            }
            ("POST", ["payment_intents", id, "confirm"]) => {
                let payment = self.object("payment_intents", id)?;
                let own = text(&payment["payment_method"]).to_owned();
                self.charge(id, asked.get("payment_method").unwrap_or(&own))
            }
            ("POST", ["payment_intents", id, "cancel"]) => {
                let payment = self.object("payment_intents", id)?;
                if payment["status"] == "succeeded" || payment["status"] == "canceled" {
                    return Err(unexpected(payment, "cancel"));
                }
                payment["status"] = "canceled".into();
                payment["canceled_at"] = payment["created"].clone();
                asked.put(payment, &["cancellation_reason"]);
                Ok(payment.clone())
            }
            ("POST", ["refunds"]) => self.refund(asked),
            ("POST", ["invoices"]) => {
                let customer = asked.need("customer")?.to_owned();
                self.object("customers", &customer)?;
                let mut invoice = payload::invoice(self.next("invoices"));
                asked.put(&mut invoice, &["customer", "description", "collection_method", "currency"]);
                self.kept("invoices").push(invoice.clone());
                Ok(invoice)
            }
            ("POST", ["invoices", id, "finalize"]) => {
                let number = format!("MOCK-{}", &id[3..]);
                let invoice = self.object("invoices", id)?;
                if invoice["status"] != "draft" {
                    return Err(invalid("invoice_not_editable", "This invoice is already finalized."));
                }
                (invoice["status"], invoice["number"]) = ("open".into(), number.into());
                invoice["hosted_invoice_url"] = "https://invoice.example/mock".into();
                Ok(invoice.clone())
            }
            ("POST", ["subscriptions"]) => self.subscribe(asked),
            ("DELETE", ["subscriptions", id]) => {
                let subscription = self.object("subscriptions", id)?;
                if subscription["status"] == "canceled" {
                    return Err(missing(id));
                }
                subscription["status"] = "canceled".into();
                subscription["canceled_at"] = subscription["created"].clone();
                subscription["ended_at"] = subscription["created"].clone();
                Ok(subscription.clone())
            }
            ("POST", ["webhook_endpoints"]) => {
                let mut endpoint = payload::endpoint(self.next("webhook_endpoints"));
                endpoint["url"] = asked.need("url")?.into();
                let events: Vec<Value> = asked.under("enabled_events").into_values().collect();
                if events.is_empty() {
                    return Err(invalid("parameter_missing", "Missing required param: enabled_events."));
                }
                endpoint["enabled_events"] = events.into();
                asked.put(&mut endpoint, &["description"]);
                self.kept("webhook_endpoints").push(endpoint.clone());
                // Shown this once.
                endpoint["secret"] = "whsec_mock".into();
                Ok(endpoint)
            }
            ("POST", ["webhook_endpoints", id]) => {
                let endpoint = self.object("webhook_endpoints", id)?;
                asked.put(endpoint, &["url", "description"]);
                if let Ok(disabled) = asked.need("disabled") {
                    endpoint["status"] = if disabled == "true" { "disabled" } else { "enabled" }.into();
                }
                Ok(endpoint.clone())
            }
            ("DELETE", ["webhook_endpoints", id]) => {
                self.object("webhook_endpoints", id)?;
                self.kept("webhook_endpoints").retain(|endpoint| endpoint["id"] != *id);
                Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
            }
            _ => Err((
                404,
                "invalid_request_error",
                "",
                format!("Unrecognized request URL ({method}: /v1/{})", path.join("/")),
            )),
        }
    }

    fn next(&mut self, collection: &str) -> usize {
        self.kept(collection).len() + 1
    }

    fn object(&mut self, collection: &str, id: &str) -> Result<&mut Value, Problem> {
        self.kept(collection).iter_mut().find(|object| object["id"] == id).ok_or_else(|| missing(id))
    }

    fn changed(&mut self, customer: &mut Value, asked: &Asked) {
        asked.put(customer, &["name", "email", "phone", "description", "balance"]);
        let address = asked.under("address");
        if !address.is_empty() {
            customer["address"] = address.into();
        }
    }

    /// An object with others in it, as far as was asked for.
    fn expanded(&mut self, mut object: Value, asked: &Asked) -> Answer {
        for name in asked.all("expand[]") {
            let Some(collection) = (match name {
                "customer" => Some("customers"),
                "latest_charge" => Some("charges"),
                "payment_intent" => Some("payment_intents"),
                "subscription" => Some("subscriptions"),
                _ => None,
            }) else {
                return Err(invalid("", &format!("This property cannot be expanded ({name}).")));
            };
            if let Some(id) = object[name].as_str().map(str::to_owned) {
                object[name] = self.object(collection, &id)?.clone();
            }
        }
        Ok(object)
    }

    fn list(&mut self, collection: &str, asked: &Asked) -> Answer {
        let time = |name: &str| asked.number(name);
        let (since, before) = (time("created[gte]"), time("created[lt]"));
        let types: Vec<&str> = asked.all("types[]").collect();
        let fits = |object: &&Value| {
            let created = object["created"].as_i64();
            let same = ["email", "customer", "product", "currency", "type", "status", "subscription"];
            since.is_none_or(|since| created >= Some(since))
                && before.is_none_or(|before| created < Some(before))
                && (types.is_empty() || types.contains(&text(&object["type"])))
                && asked.get("active").is_none_or(|active| object["active"] == (active == "true"))
                && same.iter().all(|name| asked.get(name).is_none_or(|wanted| object[*name] == wanted))
                && object["deleted"] != true
        };
        let limit = limit(asked)?;
        let all: Vec<&Value> = self.kept(collection).iter().rev().filter(fits).collect();
        let from = match asked.get("starting_after") {
            None => 0,
            Some(id) => all.iter().position(|object| object["id"] == id).ok_or_else(|| missing(id))? + 1,
        };
        let page: Vec<&&Value> = all.iter().skip(from).take(limit).collect();
        let more = from + page.len() < all.len();
        Ok(json!({ "object": "list", "url": format!("/v1/{collection}"), "data": page, "has_more": more }))
    }

    /// `name~"Ann" OR email:'ann@acme.example'`.
    fn search(&mut self, asked: &Asked) -> Answer {
        let query = asked.need("query")?.to_owned();
        let limit = limit(asked)?;
        let mut parts = Vec::new();
        for part in query.split(" OR ") {
            let bad = || invalid("", &format!("We were unable to parse your search query: {part}"));
            let at = part.find([':', '~']).ok_or_else(bad)?;
            parts.push((&part[..at], &part[at..=at], part[at + 1..].trim_matches(['"', '\''])));
        }
        let fits = |customer: &&Value| {
            parts.iter().any(|(name, operator, wanted)| {
                let found = text(&customer[*name]).to_lowercase();
                let wanted = wanted.to_lowercase();
                if *operator == ":" { found == wanted } else { found.contains(&wanted) }
            })
        };
        let found: Vec<&Value> = self.kept("customers").iter().filter(fits).collect();
        let from = asked.get("page").and_then(|page| page.strip_prefix("mock_")?.parse().ok()).unwrap_or(0);
        let page: Vec<&&Value> = found.iter().skip(from).take(limit).collect();
        let next = from + page.len();
        let more = next < found.len();
        Ok(json!({
            "object": "search_result",
            "url": "/v1/customers/search",
            "data": page,
            "has_more": more,
            "next_page": more.then(|| format!("mock_{next}")),
        }))
    }

    fn charge(&mut self, id: &str, method: &str) -> Answer {
        let number = self.next("charges");
        let payment = self.object("payment_intents", id)?;
        let status = text(&payment["status"]);
        if !matches!(status, "requires_payment_method" | "requires_confirmation" | "requires_action") {
            return Err(unexpected(payment, "confirm"));
        }
        if method.is_empty() {
            return Err(invalid(
                "payment_intent_unexpected_state",
                "You cannot confirm this PaymentIntent because it's missing a payment method.",
            ));
        }
        payment["payment_method"] = method.into();
        if method == DECLINED_CARD {
            let problem =
                (402, "card_error", "card_declined", "Your card has insufficient funds.".to_owned());
            (payment["status"], payment["last_payment_error"]) =
                ("requires_payment_method".into(), said(&problem)["error"].clone());
            return Err(problem);
        }
        if method == CAREFUL_CARD {
            payment["status"] = "requires_action".into();
            let redirect = json!({ "url": "https://hooks.stripe.example/3ds", "return_url": null });
            payment["next_action"] = json!({ "type": "redirect_to_url", "redirect_to_url": redirect });
            return Ok(payment.clone());
        }
        let manual = payment["capture_method"] == "manual";
        payment["status"] = if manual { "requires_capture" } else { "succeeded" }.into();
        let place = if manual { "amount_capturable" } else { "amount_received" };
        payment[place] = payment["amount"].clone();
        payment["latest_charge"] = payload::id("ch", number).into();
        let payment = payment.clone();
        self.kept("charges").push(payload::charge(number, &payment));
        Ok(payment)
    }

    fn refund(&mut self, asked: &Asked) -> Answer {
        let payment = self.object("payment_intents", asked.need("payment_intent")?)?.clone();
        let Some(charge) = payment["latest_charge"].as_str() else {
            return Err(unexpected(&payment, "refund"));
        };
        let charge = self.object("charges", charge)?;
        let part = |name: &str, charge: &Value| charge[name].as_i64().unwrap_or_default();
        let left = part("amount", charge) - part("amount_refunded", charge);
        if left == 0 {
            return Err(invalid("charge_already_refunded", "The charge has already been refunded."));
        }
        let amount = asked.number("amount").unwrap_or(left);
        if amount > left {
            return Err(invalid(
                "",
                &format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"),
            ));
        }
        charge["amount_refunded"] = (part("amount_refunded", charge) + amount).into();
        charge["refunded"] = (amount == left).into();
        let mut refund = payload::refund(self.next("refunds"), &payment, amount);
        asked.put(&mut refund, &["reason"]);
        self.kept("refunds").push(refund.clone());
        Ok(refund)
    }

    fn subscribe(&mut self, asked: &Asked) -> Answer {
        let customer = asked.need("customer")?.to_owned();
        self.object("customers", &customer)?;
        let mut items = Vec::new();
        while let Some(price) = asked.get(&format!("items[{}][price]", items.len())) {
            let quantity = asked.number(&format!("items[{}][quantity]", items.len())).unwrap_or(1);
            let price = self.object("prices", price)?.clone();
            items.push(payload::item(items.len() + 2, &price, quantity));
        }
        if items.is_empty() {
            return Err(invalid("parameter_missing", "Missing required param: items."));
        }
        let mut subscription = payload::subscription(self.next("subscriptions"), items);
        asked.put(&mut subscription, &["customer", "description", "cancel_at_period_end"]);
        if asked.number("trial_period_days").is_some() {
            subscription["status"] = "trialing".into();
            subscription["trial_end"] = subscription["current_period_end"].clone();
        }
        self.kept("subscriptions").push(subscription.clone());
        Ok(subscription)
    }
}

fn limit(asked: &Asked) -> Result<usize, Problem> {
    match asked.number("limit").unwrap_or(10) {
        limit @ 1..=100 => Ok(limit as usize),
        other => {
            Err(invalid("parameter_invalid_integer", &format!("Invalid limit: {other}; it is 1 to 100")))
        }
    }
}

fn unexpected(payment: &Value, what: &str) -> Problem {
    let message = format!(
        "You cannot {what} this PaymentIntent because it has a status of {}.",
        text(&payment["status"])
    );
    invalid("payment_intent_unexpected_state", &message)
}

/// An error as it stands in a body.
fn said((_, kind, code, message): &Problem) -> Value {
    let mut error = json!({ "type": kind, "message": message });
    if !code.is_empty() {
        error["code"] = (*code).into();
    }
    if *code == "card_declined" {
        error["decline_code"] = "insufficient_funds".into();
        error["charge"] = "ch_mock".into();
    }
    json!({ "error": error })
}

fn refused(problem: Problem) -> ResponseTemplate {
    ResponseTemplate::new(problem.0).set_body_json(said(&problem))
}

fn broken(fault: Fault) -> ResponseTemplate {
    let api = |status, kind, code, message: &str| refused((status, kind, code, message.to_owned()));
    let wrong = "invalid_request_error";
    match fault {
        Fault::Unauthorized => api(401, wrong, "", "Invalid API Key provided: sk_test_****mock"),
        Fault::Forbidden => api(403, wrong, "more_permissions_required", "The key may not do this."),
        Fault::RateLimited => api(429, wrong, "rate_limit", "Request rate limit exceeded."),
        Fault::NotFound => refused(missing("such_thing")),
        Fault::Invalid => api(400, wrong, "parameter_unknown", "Received unknown parameter: something"),
        Fault::Conflict => {
            let message = "There is currently another in-progress request using this Idempotent Key.";
            api(409, "idempotency_error", "idempotency_key_in_use", message)
        }
        Fault::ServerError => api(500, "api_error", "", "An unknown error occurred."),
        Fault::Hopeless => api(500, "api_error", "", "An unknown error occurred.")
            .insert_header("stripe-should-retry", "false"),
        Fault::Undecided => api(400, wrong, "lock_timeout", "This object cannot be accessed right now.")
            .insert_header("stripe-should-retry", "true"),
        Fault::Malformed => ResponseTemplate::new(200).set_body_raw("{\"id\": \"cus_0", "application/json"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
