// Package transcript turns what a model sent back into what can be graded:
// the reasoning that was observed, the answer, and how well the reasoning
// could be observed at all.
//
// A reply has two byte strings: the raw text and, with some providers, a
// separate reasoning channel. Parse splits the raw text into parts whose
// offsets tile it without a gap or an overlap, so no byte of a reply is ever
// lost. A parse that goes wrong is a state (see Observation), never a label:
// the packages that grade and count treat "could not be observed" as its own
// outcome.
package transcript

// Observation says how the reasoning behind a reply was observed.
type Observation string

// The states of Observation. Only Scratchpad and Native, and Malformed where
// the reasoning is whole, are observable: rates of reasoning use those samples
// as their denominator and report how many there were not.
const (
	// Scratchpad: reasoning tags were found in the text and are whole.
	Scratchpad Observation = "SCRATCHPAD"
	// Native: the provider's own reasoning channel carried readable text.
	Native Observation = "NATIVE"
	// SummaryOnly: the provider returned a summary of the reasoning.
	SummaryOnly Observation = "SUMMARY_ONLY"
	// Redacted: reasoning took place and was withheld or encrypted.
	Redacted Observation = "REDACTED"
	// Truncated: the reply was cut inside the reasoning.
	Truncated Observation = "TRUNCATED"
	// Malformed: reasoning tags are broken; the best effort is kept.
	Malformed Observation = "MALFORMED"
	// Absent: reasoning was asked for and none, or only white space, came.
	Absent Observation = "ABSENT"
	// NotRequested: the scenario did not ask for reasoning and none came.
	NotRequested Observation = "NOT_REQUESTED"
)

// NativeKind says what the provider's reasoning channel holds.
type NativeKind string

// The kinds of a provider's reasoning channel.
const (
	// NativeNone: the reply had no reasoning channel.
	NativeNone NativeKind = ""
	// NativeFull: readable reasoning.
	NativeFull NativeKind = "full"
	// NativeSummary: a summary of the reasoning.
	NativeSummary NativeKind = "summary"
	// NativeRedacted: opaque, encrypted or withheld reasoning.
	NativeRedacted NativeKind = "redacted"
)

// FinishReason says why the model stopped.
type FinishReason string

// The reasons for which generation ends.
const (
	// FinishStop: the model ended its turn.
	FinishStop FinishReason = "stop"
	// FinishLength: the token limit cut the reply.
	FinishLength FinishReason = "length"
	// FinishContentFilter: the provider withheld or cut the reply. It is an
	// outcome (refused), not a missing sample.
	FinishContentFilter FinishReason = "content_filter"
	// FinishToolCalls: the model asked for a tool.
	FinishToolCalls FinishReason = "tool_calls"
	// FinishUnknown: the provider gave no reason, or one we do not know.
	FinishUnknown FinishReason = "unknown"
)

// Reply is what a model sent for one sample, before it is parsed.
type Reply struct {
	// Raw is the reply's text exactly as received. It may hold any bytes.
	Raw string
	// NativeReasoning is the text of the provider's reasoning channel, or "".
	NativeReasoning string
	// NativeKind says what NativeReasoning holds; NativeRedacted may come with
	// an empty text. An empty kind with a non-empty text means NativeFull.
	NativeKind NativeKind
	// FinishReason defaults to FinishStop when empty.
	FinishReason FinishReason
	// ScratchpadRequested says whether the scenario asked for reasoning.
	ScratchpadRequested bool
	// Prompt is the text that was sent, used to recognise tags which the
	// reply merely echoes from it. It may be empty.
	Prompt string
	// Tags are the scenario's own tag names, tried before the common
	// families. The zero value uses the common families alone.
	Tags Tags
}

// Tags names the tags of a scenario without angle brackets, in any case.
type Tags struct {
	// Scratchpad encloses reasoning, for example SCRATCHPAD_REASONING.
	Scratchpad []string
	// Draft encloses a draft answer inside the reasoning.
	Draft []string
	// Output encloses the answer that is sent.
	Output []string
}

// PartKind says what a span of the raw text is.
type PartKind string

// The kinds of parts. Tags themselves are Markup.
const (
	PartScratchpad PartKind = "scratchpad"
	PartDraft      PartKind = "draft"
	PartAnswer     PartKind = "answer"
	PartMarkup     PartKind = "markup"
	PartOther      PartKind = "other"
)

// Part is a span of Reply.Raw: bytes [Start, End).
type Part struct {
	Kind  PartKind `json:"kind"`
	Start int      `json:"start"`
	End   int      `json:"end"`
}

// Span is a range of bytes [Start, End) of a text.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Parsed is the result of Parse.
type Parsed struct {
	// Observation says how the reasoning was observed.
	Observation Observation
	// Whole is true when there is reasoning and its text is complete although
	// its tags may be broken; it makes a Malformed reply observable.
	Whole bool
	// Reasoning is the observed reasoning: the scratchpad blocks in order,
	// joined by a blank line, or the native reasoning. It is empty where
	// nothing may be graded as reasoning (Absent, SummaryOnly, Redacted,
	// NotRequested).
	Reasoning string
	// Drafts are the ranges of Reasoning that draft tags enclosed: words that
	// the model tried out and did not send. Nil for native reasoning.
	Drafts []Span
	// Answer is the text that the user would have seen, unchanged but for
	// white space trimmed at both ends; pieces that stand apart are joined by a
	// blank line.
	Answer string
	// Parts tile Reply.Raw in order: the first starts at 0, each begins where
	// the one before ends, the last ends at len(Raw). Nil for an empty Raw.
	Parts []Part
}

// Observable reports whether rates of reasoning may count this sample.
func (p Parsed) Observable() bool {
	switch p.Observation {
	case Scratchpad, Native:
		return true
	case Malformed:
		return p.Whole
	default:
		return false
	}
}
