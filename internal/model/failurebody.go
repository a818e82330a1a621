package model

import (
	"fmt"
	"io"
	"log/slog"
)

// MaxFailureBody is the longest body of a failure that is kept, in bytes.
const MaxFailureBody = 4 << 10

// FailureBody is the beginning of what a server sent with a failure, for people
// who look for its cause. Credentials were taken out, but it is a server's text,
// which may repeat the prompt: it belongs beside the transcript and nowhere else.
// So it renders as its size in every formatting, encoding and logging that the
// standard library knows. The zero value is none.
type FailureBody struct {
	// kept is a pointer for the reason that credential.Secret has one.
	kept *failureBody
}

type failureBody struct {
	text      string
	truncated bool
}

// NewFailureBody returns a body that holds text, at most MaxFailureBody of it.
// truncated says that there was more.
func NewFailureBody(text string, truncated bool) FailureBody {
	if text == "" && !truncated {
		return FailureBody{}
	}
	if len(text) > MaxFailureBody {
		text, truncated = text[:MaxFailureBody], true
	}
	return FailureBody{&failureBody{text, truncated}}
}

// Text returns what is kept. It may hold any bytes.
func (b FailureBody) Text() string {
	if b.kept == nil {
		return ""
	}
	return b.kept.text
}

// Truncated reports whether the server sent more, or was about to.
func (b FailureBody) Truncated() bool { return b.kept != nil && b.kept.truncated }

// String implements fmt.Stringer.
func (b FailureBody) String() string { return fmt.Sprintf("[%d bytes]", len(b.Text())) }

// GoString implements fmt.GoStringer.
func (b FailureBody) GoString() string { return b.String() }

// Format implements fmt.Formatter, so that no verb reaches the text.
func (b FailureBody) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, b.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML use too.
func (b FailureBody) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// LogValue implements slog.LogValuer.
func (b FailureBody) LogValue() slog.Value { return slog.StringValue(b.String()) }
