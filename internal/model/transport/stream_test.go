package transport_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// streamed posts a call that asks for a stream and returns what was decoded as one.
func (f *fixture) streamed(t *testing.T) (stream, whole string, err error) {
	t.Helper()
	_, err = f.client.Post(t.Context(), transport.Call{
		URL: f.url, Body: []byte(`{}`),
		Decode:       func(body []byte) error { whole = string(body); return nil },
		DecodeStream: func(body []byte) error { stream = string(body); return nil },
	})
	return stream, whole, err
}

func TestStreamsAreDecodedByWhatTheyAre(t *testing.T) {
	for _, tt := range []struct {
		name, mediaType, body, stream, whole string
	}{
		{"a stream", "text/event-stream; charset=utf-8", "data: x\n\n", "data: x\n\n", ""},
		{"a server that does not stream", "application/json", "{}", "", "{}"},
		{"no media type", "", "{}", "", "{}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, transport.Config{}, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept") != "text/event-stream, application/json;q=0.9" {
					t.Error("a stream has to be asked for")
				}
				w.Header()["Content-Type"] = nil
				if tt.mediaType != "" {
					w.Header().Set("Content-Type", tt.mediaType)
				}
				_, _ = w.Write([]byte(tt.body))
			})
			stream, whole, err := f.streamed(t)
			require.NoError(t, err)
			require.Equal(t, tt.stream, stream)
			require.Equal(t, tt.whole, whole)
		})
	}
}

// A header is no first byte: servers that stream send it at once.
func TestTheFirstByteOfAStreamIsOfItsBody(t *testing.T) {
	f := serve(t, transport.Config{MaxAttempts: 2, FirstByteTimeout: 20 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, _, err := f.streamed(t)
	failure := failureOf(t, err)
	require.Equal(t, model.ClassTimeout, failure.Class)
	require.Equal(t, "no first byte within 20ms", failure.Message)
	require.Equal(t, 2, failure.Attempts)
}

// Once the first byte is there, its time-out is over: the rest comes later than
// that here. Attempts whose first byte comes too late on a busy machine are
// repeated.
func TestAStreamThatBeganMayTakeItsTime(t *testing.T) {
	const firstByte = 100 * time.Millisecond
	f := serve(t, transport.Config{MaxAttempts: 50, FirstByteTimeout: firstByte}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("data: x\n\n"))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(2 * firstByte):
			_, _ = w.Write([]byte("data: y\n\n"))
		}
	})
	stream, _, err := f.streamed(t)
	require.NoError(t, err)
	require.Equal(t, "data: x\n\ndata: y\n\n", stream)
}

// A stream that began is still bound as a whole.
func TestAStreamIsBoundAsAWhole(t *testing.T) {
	f := serve(t, transport.Config{MaxAttempts: 1, CallTimeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("data: x\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, _, err := f.streamed(t)
	require.Equal(t, "no whole reply within 50ms", failureOf(t, err).Message)
}

func TestErrorsAreExplained(t *testing.T) {
	const body = `{"error":{"code":"plain_code"}}`
	for _, tt := range []struct {
		name    string
		status  int
		header  string
		explain transport.Explanation
		class   model.ErrorClass
		message string
		waits   []time.Duration
	}{
		{"nothing to add", 400, "", transport.Explanation{}, model.ClassBadRequest, "[plain_code]", nil},
		{"another class", 400, "", transport.Explanation{Class: model.ClassAuth, Code: "key_invalid"}, model.ClassAuth, "[key_invalid]", nil},
		{"a code that is text", 400, "", transport.Explanation{Code: "Free text"}, model.ClassBadRequest, "[plain_code]", nil},
		{"a code that echoes", 400, "", transport.Explanation{Code: "prompt"}, model.ClassBadRequest, "refuses the request", nil},
		{"a wait", 429, "", transport.Explanation{RetryAfter: 9 * time.Second}, model.ClassRateLimited, "rate", []time.Duration{9500 * time.Millisecond}},
		{"the header's wait", 429, "4", transport.Explanation{RetryAfter: 9 * time.Second}, model.ClassRateLimited, "rate", []time.Duration{4500 * time.Millisecond}},
		{"a wait in the past", 429, "", transport.Explanation{RetryAfter: -time.Second}, model.ClassRateLimited, "rate", []time.Duration{500 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, transport.Config{MaxAttempts: 2}, func(w http.ResponseWriter, _ *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(body))
			})
			_, err := f.client.Post(t.Context(), transport.Call{
				URL: f.url, Body: []byte(`{"prompt":"hello"}`), Decode: isJSON,
				Explain: func(status int, got []byte) transport.Explanation {
					if status != tt.status || string(got) != body {
						t.Error("an error has to be explained by its status and body")
					}
					return tt.explain
				},
			})
			failure := failureOf(t, err)
			require.Equal(t, tt.class, failure.Class)
			require.Contains(t, failure.Message, tt.message)
			require.Equal(t, tt.waits, f.clock.waits)
		})
	}
}
