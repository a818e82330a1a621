// Package model reaches language models: it sends one chat and returns the
// reply with everything that the provider said about it.
//
// Model is the port. The adapters openai, openairesponses, anthropic, gemini
// and completion each speak one wire protocol over the shared transport
// (time-outs, bounded retries, typed errors); wire has what they share, and
// modeltest what each of them must pass. sim holds simulated models whose
// behaviour is known exactly.
package model

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/unmask-eval/unmask/internal/transcript"
)

// Message is one chat message; Role is "system", "user" or "assistant". A last
// message of the assistant is a prefill: the reply continues it, and does not
// repeat it. Endpoints that have none refuse it.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Sampling are the parameters of generation. A nil pointer leaves the
// provider's default.
type Sampling struct {
	// Temperature in [0, 2].
	Temperature *float64 `json:"temperature,omitempty"`
	// TopP in (0, 1].
	TopP *float64 `json:"top_p,omitempty"`
	// MaxTokens bounds the reply, at least 1; 0 leaves the provider's default.
	MaxTokens int `json:"max_tokens,omitempty"`
	// Stop are sequences that end a reply, beside those of the endpoint. None is a
	// part of the reply.
	Stop []string `json:"stop,omitempty"`
}

// Request is one chat to complete.
type Request struct {
	Messages []Message
	Sampling Sampling
	// Seed is passed on where the provider takes one, and left out where it does
	// not: it is drawn for the sample and nobody's demand. Equal requests with
	// equal seeds may give equal replies; simulated models guarantee it.
	Seed int64
	// SampleID identifies the sample in errors and to simulated models. It is
	// never sent to a real provider.
	SampleID string
	// ResponseSchema asks for a reply that is one JSON object of this form. Nil
	// asks for text. An adapter sends it as far as its endpoint takes it (see
	// openai.ResponseFormat) or fails with BAD_REQUEST; that the reply keeps to
	// it is never promised.
	ResponseSchema *Schema
}

// Schema is the form of a reply.
type Schema struct {
	// Name is 1 to 64 letters, digits, underscores and hyphens.
	Name string
	// JSON is a JSON Schema of an object.
	JSON json.RawMessage
}

// Usage counts tokens as the provider reported them; 0 where it did not.
type Usage struct {
	InputTokens     int64 `json:"input_tokens"`
	OutputTokens    int64 `json:"output_tokens"`
	ReasoningTokens int64 `json:"reasoning_tokens"`
}

// Reply is what came back, before parsing.
type Reply struct {
	// Raw is the text, and in it, where the model asked for a tool, the call as
	// one JSON object between <tool_call> tags. No tool is ever run.
	Raw             string
	NativeReasoning string
	NativeKind      transcript.NativeKind
	FinishReason    transcript.FinishReason
	Usage           Usage
	// ModelID is the model that the provider says it served.
	ModelID string
	// Latency is the time of the attempt that succeeded; Attempts counts all, at least 1.
	Latency  time.Duration
	Attempts int
}

// Model completes chats.
//
// Generate is safe for concurrent use. It returns a *Error, possibly wrapped,
// when no reply could be had after its bounded retries, and ctx.Err(),
// possibly wrapped, when the context ended first. It never returns a partial
// reply with an error.
type Model interface {
	Generate(ctx context.Context, req Request) (Reply, error)
}

// Checker is a Model that can tell, without a call, what it cannot be asked.
// Generate refuses the same with BAD_REQUEST.
type Checker interface {
	// Check returns an *UnsupportedError, possibly wrapped, or nil. Messages may
	// be left out; what depends on them is not checked then.
	Check(req Request) error
}

// UnsupportedError says that an endpoint does not take a parameter, or not its value.
type UnsupportedError struct {
	// Parameter is the field of Sampling as it stands in plans, such as
	// "temperature", or "messages", "prefill", "response_schema".
	Parameter string
	// Reason says what is wrong and what would do. It holds no text of a prompt.
	Reason string
}

// Error implements error.
func (e *UnsupportedError) Error() string { return e.Parameter + ": " + e.Reason }

// ErrorClass groups failures by what can be done about them. Classes are
// stored with the sample as the cause of its exclusion.
type ErrorClass string

// The classes of failures.
const (
	// ClassTimeout: no whole reply in time.
	ClassTimeout ErrorClass = "TIMEOUT"
	// ClassRateLimited: refused for the rate, after all retries.
	ClassRateLimited ErrorClass = "RATE_LIMITED"
	// ClassUnavailable: not reachable, or a 5xx, after all retries.
	ClassUnavailable ErrorClass = "UNAVAILABLE"
	// ClassBadRequest: the provider refuses this request (400, 413, 422).
	ClassBadRequest ErrorClass = "BAD_REQUEST"
	// ClassAuth: credentials are missing or refused (401, 403).
	ClassAuth ErrorClass = "AUTH"
	// ClassNotFound: the model or the path does not exist (404).
	ClassNotFound ErrorClass = "NOT_FOUND"
	// ClassBadReply: the reply does not follow the protocol.
	ClassBadReply ErrorClass = "BAD_REPLY"
)

// Error is a failure to get a reply. Message never holds text of a prompt, a
// reply or a credential.
type Error struct {
	Class ErrorClass
	// Status is the HTTP status, or 0 when none was received.
	Status int
	// Message says what happened in a few words.
	Message string
	// Attempts counts the calls made.
	Attempts int
	// RetryAfter is what the provider asked for, or 0.
	RetryAfter time.Duration
	// Final says that every further sample would fail in the same way, whatever
	// the class.
	Final bool
	// Body is what the server sent with the last attempt, as far as it is kept.
	Body FailureBody
	// EarlierClasses are the classes of the attempts before the last one, in their order;
	// of many, the last 16.
	EarlierClasses []ErrorClass
	Err            error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s (HTTP %d, %d attempts): %s", e.Class, e.Status, e.Attempts, e.Message)
	}
	return fmt.Sprintf("%s (%d attempts): %s", e.Class, e.Attempts, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether every further sample would fail in the same way,
// so that a run should stop instead of losing its samples one by one.
func (e *Error) Permanent() bool { return e.Final || e.Class == ClassAuth || e.Class == ClassNotFound }
