package sim

import (
	"net/http"

	"github.com/unmask-eval/unmask/internal/model"
)

// Fault names what goes wrong with a reply. Each has a rate that is set by the
// parameter of the same name. At most one fault befalls a reply, and the same
// one whenever the same request is repeated.
type Fault string

// Faults of the transport: no reply is had.
const (
	FaultNone Fault = ""
	// FaultError: the server answers 500.
	FaultError Fault = "error"
	// FaultTimeout: no answer comes in time.
	FaultTimeout Fault = "timeout"
	// FaultRateLimit: the server answers 429.
	FaultRateLimit Fault = "rate_limit"
	// FaultCut: the connection ends within the body.
	FaultCut Fault = "cut"
	// FaultInvalidJSON: the body is not JSON.
	FaultInvalidJSON Fault = "invalid_json"
	// FaultContentType: the body is a page for people.
	FaultContentType Fault = "content_type"
)

// Faults of the text: a reply is had, and it is broken.
const (
	// FaultMalformed: the tags are broken.
	FaultMalformed Fault = "malformed"
	// FaultTruncation: the token limit cuts the text.
	FaultTruncation Fault = "truncation"
	// FaultEmpty: the scratchpad holds nothing.
	FaultEmpty Fault = "empty"
)

// FaultRates are the rates of faults, out of all replies. They add up to at most 1.
type FaultRates struct {
	Error, Timeout, RateLimit, Cut, InvalidJSON, ContentType float64
	Malformed, Truncation, Empty                             float64
}

// faultKind ties a fault to its rate and, for faults of the transport, to what
// a client makes of it in the end.
type faultKind struct {
	Fault
	key    string
	rate   func(*FaultRates) *float64
	class  model.ErrorClass
	status int
}

// faults lists all faults in the order in which they share the unit interval.
func faults() []faultKind {
	return []faultKind{
		{
			FaultError, "error", func(r *FaultRates) *float64 { return &r.Error },
			model.ClassUnavailable, http.StatusInternalServerError,
		},
		{FaultTimeout, "timeout", func(r *FaultRates) *float64 { return &r.Timeout }, model.ClassTimeout, 0},
		{
			FaultRateLimit, "rate_limit", func(r *FaultRates) *float64 { return &r.RateLimit },
			model.ClassRateLimited, http.StatusTooManyRequests,
		},
		{FaultCut, "cut", func(r *FaultRates) *float64 { return &r.Cut }, model.ClassBadReply, http.StatusOK},
		{
			FaultInvalidJSON, "invalid_json", func(r *FaultRates) *float64 { return &r.InvalidJSON },
			model.ClassBadReply, http.StatusOK,
		},
		{
			FaultContentType, "content_type", func(r *FaultRates) *float64 { return &r.ContentType },
			model.ClassBadReply, http.StatusOK,
		},
		{FaultMalformed, "malformed", func(r *FaultRates) *float64 { return &r.Malformed }, "", 0},
		{FaultTruncation, "truncation", func(r *FaultRates) *float64 { return &r.Truncation }, "", 0},
		{FaultEmpty, "empty", func(r *FaultRates) *float64 { return &r.Empty }, "", 0},
	}
}

func (r FaultRates) total() float64 {
	sum := 0.0
	for _, f := range faults() {
		sum += *f.rate(&r)
	}
	return sum
}

// draw picks the fault for a uniform draw in [0, 1).
func (r FaultRates) draw(u float64) Fault {
	if r == (FaultRates{}) {
		return FaultNone
	}
	sum := 0.0
	for _, f := range faults() {
		sum += *f.rate(&r)
		if u < sum {
			return f.Fault
		}
	}
	return FaultNone
}

// failure returns the error that a fault of the transport ends in, or nil.
func (f Fault) failure() *model.Error {
	if f == FaultNone {
		return nil
	}
	for _, kind := range faults() {
		if kind.Fault == f && kind.class != "" {
			return &model.Error{
				Class: kind.class, Status: kind.status, Attempts: 1, Message: "simulated fault " + string(f),
			}
		}
	}
	return nil
}
