package transport_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// send answers with a status, a media type and a text.
func send(status int, mediaType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func TestWhatAFailureBroughtIsKept(t *testing.T) {
	long := strings.Repeat("long ", 2000)
	for _, tt := range []struct {
		name      string
		handler   http.HandlerFunc
		want      string
		truncated bool
	}{
		{"error", send(500, "application/json", `{"error":"no GPU"}`), `{"error":"no GPU"}`, false},
		{"page", send(502, "text/html", "<h1>Bad\xff\x00Gateway"), "<h1>Bad\xff\x00Gateway", false},
		{"no body", send(503, "text/plain", ""), "", false},
		{"long error", send(400, "text/plain", long), long[:model.MaxFailureBody], true},
		{"characters are not cut", send(400, "text/plain", "x"+strings.Repeat("ä", 4000)), "x" + strings.Repeat("ä", model.MaxFailureBody/2-1), true},
		{"page in place of a reply", send(200, "text/html", "<p>Log in"), "<p>Log in", false},
		{"endless page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for {
				if _, err := io.WriteString(w, long); err != nil {
					return
				}
			}
		}, long[:model.MaxFailureBody], true},
		{"no JSON", send(200, "application/json", "oops"), "oops", false},
		{"reply that is cut", cut, `{"half":`, true},
		{"reply that is too large", send(200, "application/json", strings.Repeat(" ", 2000)), strings.Repeat(" ", 1025), true},
		{"no connection", drop, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, transport.Config{MaxAttempts: 1, MaxReplyBytes: 1024}, tt.handler)
			_, err := f.post(t.Context())
			body := failureOf(t, err).Body
			require.Equal(t, tt.want, body.Text())
			require.Equal(t, tt.truncated, body.Truncated())
			if utf8.ValidString(tt.want) {
				require.True(t, utf8.ValidString(body.Text()))
			}
		})
	}
}

// A body that trickles does not hold up a failure whose class is known.
func TestTheBodyOfAFailureIsNotWaitedForLong(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
		gone := make(chan struct{})
		f := serve(t, transport.Config{MaxAttempts: 1}, func(w http.ResponseWriter, r *http.Request) {
			defer close(gone)
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<p>and")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		f.client.WaitForFailures(20 * time.Millisecond)
		_, err := f.post(t.Context())
		failure := failureOf(t, err)
		require.Equal(t, status, failure.Status)
		require.True(t, failure.Body.Truncated())
		<-gone
	}
}

func TestTheLastBodyAndTheEarlierClassesAreTold(t *testing.T) {
	f := serve(t, transport.Config{MaxAttempts: 3}, send(503, "text/plain", "first"), send(504, "text/plain", "second"), send(500, "text/plain", "third"))
	_, err := f.post(t.Context())
	failure := failureOf(t, err)
	require.Equal(t, "third", failure.Body.Text())
	require.Equal(t, []model.ErrorClass{model.ClassUnavailable, model.ClassTimeout}, failure.EarlierClasses)

	f = serve(t, transport.Config{MaxAttempts: 40}, send(503, "text/plain", ""))
	_, err = f.post(t.Context())
	require.Len(t, failureOf(t, err).EarlierClasses, 16)

	// Where the last word is ours, what the server said before goes with it.
	f = serve(t, transport.Config{Limiter: limit.New(limit.Config{MaxWait: time.Nanosecond})}, send(429, "text/plain", "come back on Monday"))
	_, err = f.post(t.Context())
	failure = failureOf(t, err)
	require.ErrorIs(t, failure, limit.ErrThrottled)
	require.Equal(t, "come back on Monday", failure.Body.Text())
	require.Equal(t, []model.ErrorClass{model.ClassRateLimited}, failure.EarlierClasses)
}

// Whatever renders a failure shows how much the server sent, and nothing of it.
func TestBodiesAreInNoRenderingOfAFailure(t *testing.T) {
	f := serve(t, transport.Config{MaxAttempts: 1}, send(500, "text/plain", "planted-marker"))
	_, err := f.post(t.Context())
	failure := failureOf(t, err)
	require.Equal(t, "planted-marker", failure.Body.Text())
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Error("failed", "error", err, "failure", *failure, "body", failure.Body)
	asJSON, jsonErr := json.Marshal(failure)
	require.NoError(t, jsonErr)
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v %s %q %x %v", err, err, err, *failure, *failure, *failure, failure.Body, failure.Body, failure.Body, failure.Body)
	require.NotContains(t, text+log.String()+string(asJSON), "planted")
	require.NotContains(t, text, "706c616e746564")
	require.Contains(t, text, "[14 bytes]")
}

func TestCredentialsAreInNoBody(t *testing.T) {
	const secret = "sk-planted/9f8e+7d6c5b4a="
	for _, header := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
		value := secret
		if header == "Authorization" {
			value = "Bearer " + secret
		}
		for _, status := range []int{200, 401, 500} {
			f := serve(t, transport.Config{MaxAttempts: 1}, func(w http.ResponseWriter, r *http.Request) {
				send(status, "text/plain", strings.Repeat("x", 4060)+" "+r.Header.Get(header)+" and more of it")(w, r)
			})
			_, err := f.client.Post(t.Context(), transport.Call{URL: f.url, Body: []byte(`{}`), Header: http.Header{header: {value}}, Decode: isJSON})
			body := failureOf(t, err).Body.Text()
			require.Contains(t, body, credential.Redacted)
			require.NotContains(t, body, "planted")
			require.NotContains(t, body, "9f8e")
		}
	}
}
