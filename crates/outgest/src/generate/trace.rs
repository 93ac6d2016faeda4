//! The shape of one trace: which spans it has, how they nest, how long they take.

use model::Micros;

use super::event::{Event, Model, Trace};
use super::payload::{self, Conversation, TOOLS};
use super::random::Random;
use super::words::{Spelling, prose, title};

/// Most spans of a trace.
const SPANS_MAX: usize = 40;
/// Deepest nesting of agents; their calls lie one level below.
const AGENT_DEPTH_MAX: usize = 3;
/// Bytes after which a conversation starts anew, so that inputs stay within 20 kB.
const CONVERSATION_BYTES_MAX: usize = 17_000;
/// Tools that one call of a model may choose from.
const TOOLS_OFFERED: usize = 3;
/// Of a thousand calls, how many begin with a context of their own instead of all that was said.
const CONTEXT_SWITCHES: u64 = 850;
/// Bytes of prose that a model reads as one token.
const TOKEN_BYTES: usize = 4;

const MODELS: &[Model] = &[
    Model {
        id: "m-aurora-l",
        name: "aurora-2-large",
        provider: "boreal",
        input_price: 2_500_000,
        output_price: 10_000_000,
    },
    Model { id: "m-aurora-s", name: "aurora-2-small", provider: "boreal", input_price: 150_000, output_price: 600_000 },
    Model { id: "m-basalt", name: "basalt-pro", provider: "quarry", input_price: 3_000_000, output_price: 15_000_000 },
    Model {
        id: "m-cirrus",
        name: "cirrus-flash-2026-04",
        provider: "stratus",
        input_price: 75_000,
        output_price: 300_001,
    },
];
const EMBEDDER: Model =
    Model { id: "m-cirrus-embed", name: "cirrus-embed-3", provider: "stratus", input_price: 20_000, output_price: 0 };
const PROMPTS: &[&str] = &["support-answer", "route-request", "summarise-thread", "extract-fields"];
const NAMES: &[&str] = &["support-chat", "document-search", "order-agent", "nightly-summary", "checkout-help"];
const TAGS: &[&str] = &["prod", "beta", "mobile", "web", "eu", "experiment-a", "résumé", "priority, high"];
const SERVICES: &[&str] = &["assistant-api", "batch-worker", "edge-gateway"];
const REGIONS: &[&str] = &["eu-west-1", "eu-central-1", "us-east-1", "ap-south-1"];
const PROBLEMS: &[&str] = &[
    "upstream answered 429 after 3 attempts",
    "context length exceeded: 131072 tokens",
    "tool returned no rows",
    "timeout after 30.0 s",
    "invalid JSON in arguments\n  at line 1, column 17",
];

/// Makes one trace that begins at `start`.
pub(super) fn generate(random: &mut Random, number: u64, start: Micros) -> (Trace, Vec<Event>) {
    let trace = shared(random, number);
    let spelling = if random.chance(120) { Spelling::Escaped } else { Spelling::Unicode };
    let mut spans = Spans { random, events: Vec::new(), now: start, spelling };
    match spans.random.below(100) {
        0..20 => spans.chat(),
        20..45 => spans.retrieval(),
        45..90 => {
            spans.agent("", 1);
        }
        _ => spans.pipeline(),
    }
    (trace, spans.events)
}

fn shared(random: &mut Random, number: u64) -> Trace {
    let user = random.skewed(0, 5_000);
    let tags = TAGS.iter().copied().filter(|_| random.chance(200)).collect();
    Trace {
        id: random.hex(32),
        name: if random.chance(50) { "" } else { NAMES[random.skewed(0, NAMES.len() as u64) as usize] },
        user: if random.chance(150) { String::new() } else { format!("user-{user}") },
        session: if random.chance(300) { String::new() } else { format!("session-{user}-{}", number / 50) },
        tags,
        environment: random.pick(&["production", "production", "production", "staging", "default"]),
        version: random.pick(&["", "1.0.0", "1.1.0", "2.0.0-rc1"]),
        release: if random.chance(300) { String::new() } else { format!("r{}", 100 + number / 2_000) },
        service: random.pick(SERVICES),
        public: random.chance(20),
    }
}

/// The spans of a trace so far, and how far its time has come.
struct Spans<'a> {
    random: &'a mut Random,
    events: Vec<Event>,
    now: Micros,
    spelling: Spelling,
}

impl Spans<'_> {
    /// One to four calls of a model, the later ones with the earlier ones' history.
    fn chat(&mut self) {
        let root = self.open("", "SPAN", "chat-turn");
        let mut conversation = self.conversation();
        for turn in 0..self.random.between(1, 4) {
            if turn > 0 {
                let bytes = self.random.skewed(40, 1_500) as usize;
                conversation.ask(self.random, bytes);
            }
            self.generation(root, &mut conversation, None);
        }
        self.summarise(root);
    }

    /// Embedding, retrieval, answer, and sometimes a judge.
    fn retrieval(&mut self) {
        let root = self.open("", "CHAIN", "answer-with-sources");
        let query = payload::query(self.random, self.spelling, 120);
        let embed = self.open_below(root, "EMBEDDING", "embed-query");
        self.events[embed].input = query.clone();
        self.events[embed].output = payload::vector(self.random);
        self.usage(embed, &EMBEDDER);
        self.close(embed, 80_000);
        let retrieve = self.open_below(root, "RETRIEVER", "search-documents");
        self.events[retrieve].input = query;
        let bytes = self.random.skewed(800, 9_000) as usize;
        self.events[retrieve].output = payload::documents(self.random, self.spelling, bytes);
        self.close(retrieve, 300_000);
        let mut conversation = self.conversation();
        self.generation(root, &mut conversation, None);
        for (kind, name) in [("EVALUATOR", "judge-answer"), ("GUARDRAIL", "check-privacy")] {
            if self.random.chance(300) {
                let judge = self.open_below(root, kind, name);
                self.events[judge].output =
                    format!("{{\"pass\":{},\"score\":0.{}}}", self.random.chance(900), self.random.below(100));
                self.close(judge, 400_000);
            }
        }
        self.summarise(root);
    }

    /// A loop of model and tools, with agents below it down to the deepest level.
    fn agent(&mut self, parent: &str, depth: usize) -> usize {
        let name = ["order-agent", "research-agent", "writer-agent"][depth - 1];
        let root = self.open(parent, "AGENT", name);
        let mut conversation = self.conversation();
        let steps = self.random.skewed(1, 9);
        for _ in 0..steps {
            // A step has up to three spans of its own, and every agent above ends with an answer.
            if self.events.len() + 3 + depth > SPANS_MAX {
                break;
            }
            let tool = self.random.pick(TOOLS);
            let call_id = self.generation(root, &mut conversation, Some(tool));
            let result = if depth < AGENT_DEPTH_MAX && self.random.chance(180) {
                let id = self.events[root].id.clone();
                let below = self.agent(&id, depth + 1);
                self.events[below].output.clone()
            } else {
                self.tool(root, tool)
            };
            conversation.tool_result(&call_id, &result);
        }
        self.generation(root, &mut conversation, None);
        self.summarise(root);
        root
    }

    /// A batch step with events along its way.
    fn pipeline(&mut self) {
        let root = self.open("", "SPAN", "nightly-batch");
        for _ in 0..self.random.skewed(0, 12) {
            let step = self.open_below(root, "EVENT", "progress");
            self.events[step].output = format!("{{\"rows\":{}}}", self.random.below(100_000));
            self.now = Micros(self.now.0 + self.random.between(1_000, 2_000_000) as i64);
        }
        self.summarise(root);
    }

    fn conversation(&mut self) -> Conversation {
        // Most contexts are short; the long ones are what real rows are large by.
        let bytes_max = if self.random.chance(700) { 5_000 } else { 18_000 };
        let bytes = self.random.skewed(150, bytes_max) as usize;
        Conversation::new(self.random, self.spelling, bytes, CONVERSATION_BYTES_MAX)
    }

    /// A call of a model; it answers, or asks for a tool, whose call id is returned.
    fn generation(
        &mut self,
        parent: usize,
        conversation: &mut Conversation,
        tool: Option<(&'static str, &'static str)>,
    ) -> String {
        let index = self.open_below(parent, "GENERATION", if tool.is_some() { "plan-step" } else { "write-answer" });
        if self.random.chance(CONTEXT_SWITCHES) {
            *conversation = self.conversation();
        }
        let model = &MODELS[self.random.skewed(0, MODELS.len() as u64) as usize];
        let (output, call_id) = match tool {
            Some(tool) => {
                let (output, call, id) = payload::tool_call(self.random, tool);
                // An agent is offered its tool and the ones listed after it.
                let first = TOOLS.iter().position(|known| *known == tool).unwrap_or(0);
                let offered = &TOOLS[first..TOOLS.len().min(first + TOOLS_OFFERED)];
                let event = &mut self.events[index];
                event.tools = offered.iter().map(|known| (known.0, payload::tool_definition(*known))).collect();
                event.calls = vec![(tool.0, call)];
                (output, id)
            }
            None => {
                let bytes = self.random.skewed(60, 3_000) as usize;
                (payload::answer(self.random, self.spelling, bytes), String::new())
            }
        };
        let event = &mut self.events[index];
        event.input = conversation.input();
        event.output = output;
        event.parameters =
            format!("{{\"temperature\":0.{},\"max_tokens\":{}}}", self.random.below(10), 256 << self.random.below(5));
        if self.random.chance(600) {
            event.prompt = Some((self.random.pick(PROMPTS), self.random.between(1, 12) as i64));
        }
        conversation.answer(&event.output);
        self.usage(index, model);
        let wait = self.random.skewed(150_000, 2_000_000) as i64;
        let event = &mut self.events[index];
        event.first_token = Some(Micros(event.start.0 + wait));
        self.now = Micros(self.now.0 + wait);
        self.close(index, 6_000_000);
        call_id
    }

    fn tool(&mut self, parent: usize, tool: (&'static str, &'static str)) -> String {
        let index = self.open_below(parent, "TOOL", tool.0);
        let bytes = self.random.skewed(80, 3_000) as usize;
        let result = payload::records(self.random, self.spelling, bytes);
        let event = &mut self.events[index];
        event.input = format!("{{\"{}\":\"{}\"}}", tool.1, title(self.random, 3));
        event.output.clone_from(&result);
        self.close(index, 900_000);
        result
    }

    fn usage(&mut self, index: usize, model: &'static Model) {
        let event = &mut self.events[index];
        let input = (event.input.len() / TOKEN_BYTES) as u64 + 3;
        let output = (event.output.len() / TOKEN_BYTES) as u64 + 1;
        let cached = if self.random.chance(300) { input / 2 } else { 0 };
        let (input_cost, output_cost) =
            (i128::from(input) * model.input_price, i128::from(output) * model.output_price);
        event.usage = vec![("input", input), ("output", output), ("total", input + output)];
        if cached > 0 {
            event.usage.push(("input_cached_tokens", cached));
        }
        event.cost = vec![("input", input_cost), ("output", output_cost), ("total", input_cost + output_cost)];
        event.model = Some(model);
        event.metadata.push(("provider", model.provider.to_owned()));
    }

    fn open_below(&mut self, parent: usize, kind: &'static str, name: &str) -> usize {
        let parent = self.events[parent].id.clone();
        self.open(&parent, kind, name)
    }

    /// Starts a span a little later than the last thing that happened.
    fn open(&mut self, parent: &str, kind: &'static str, name: &str) -> usize {
        self.now = Micros(self.now.0 + self.random.between(200, 40_000) as i64);
        let random = &mut *self.random;
        let level = ["DEFAULT", "DEBUG", "WARNING", "ERROR"][match random.below(100) {
            0..90 => 0,
            90..94 => 1,
            94..98 => 2,
            _ => 3,
        }];
        let status = if matches!(level, "WARNING" | "ERROR") { random.pick(PROBLEMS) } else { "" };
        self.events.push(Event {
            id: random.hex(16),
            parent: parent.to_owned(),
            kind,
            name: name.to_owned(),
            start: self.now,
            level,
            status: status.to_owned(),
            bookmarked: parent.is_empty() && random.chance(10),
            parameters: "{}".to_owned(),
            metadata: metadata(random, self.spelling),
            ..Event::default()
        });
        self.events.len() - 1
    }

    /// Ends a span after a part of `micros_max`; a few never end.
    fn close(&mut self, index: usize, micros_max: u64) {
        self.now = Micros(self.now.0 + self.random.skewed(500, micros_max) as i64);
        self.events[index].end = (!self.random.chance(5)).then_some(self.now);
    }

    /// Gives a root the question and the answer of what is below it, and ends it.
    fn summarise(&mut self, root: usize) {
        self.events[root].input = payload::query(self.random, self.spelling, 160);
        let answer = self.events[root + 1..].iter().rev().find(|event| event.kind == "GENERATION");
        self.events[root].output = answer.map_or_else(String::new, |event| event.output.clone());
        self.close(root, 20_000);
    }
}

fn metadata(random: &mut Random, spelling: Spelling) -> Vec<(&'static str, String)> {
    let mut metadata = vec![("region", random.pick(REGIONS).to_owned()), ("attempt", random.skewed(1, 5).to_string())];
    if random.chance(250) {
        let mut nested = String::from("{\"path\":[\"plan\",\"act\"],\"note\":\"");
        prose(random, spelling, 80, "\\n", &mut nested);
        nested.push_str("\"}");
        metadata.push(("state", nested));
    }
    if random.chance(100) {
        metadata.push(("ключ", title(random, 2)));
    }
    if random.chance(20) {
        metadata.push(("region", "local".to_owned()));
    }
    metadata
}
