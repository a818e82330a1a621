package transport

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/credential"
)

// failureWait is how long the body of a failure is waited for. Its class is
// known without it, so a server that trickles it must not hold up the call.
const failureWait = 5 * time.Second

// scrubbed is how much of a body is looked through for credentials: what is kept,
// and as much again, since what is taken out makes it shorter.
const scrubbed = 2 * model.MaxFailureBody

// beyondLimit is how much of a body behind what may be kept is looked at for
// credentials that begin before.
const beyondLimit = 256

// readFailure reads at most limit bytes of a failure's body, and says whether that
// was all. What came before a break counts.
func (c *Client) readFailure(resp *http.Response, cancel context.CancelFunc, limit int64) (body []byte, whole bool) {
	timer := time.AfterFunc(c.failureWait, cancel)
	defer timer.Stop()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], false
	}
	return body, err == nil
}

// failureBody is what is kept of the body of a failed call. whole says that there
// was no more of it.
func failureBody(call Call, body []byte, whole bool) model.FailureBody {
	if len(body) > scrubbed {
		body, whole = body[:scrubbed], false
	}
	limit := len(body)
	if !whole && limit == scrubbed {
		limit -= beyondLimit
	}
	text := credential.Scrub(string(body), limit, secrets(call.Header)...)
	if len(text) > model.MaxFailureBody {
		text, whole = wholeRunes(text[:model.MaxFailureBody]), false
	}
	return model.NewFailureBody(text, !whole)
}

// wholeRunes takes off a last character that was cut. What is no text stays.
func wholeRunes(s string) string {
	for i := len(s) - 1; i >= max(0, len(s)-utf8.UTFMax); i-- {
		if utf8.RuneStart(s[i]) {
			if !utf8.FullRuneInString(s[i:]) {
				return s[:i]
			}
			return s
		}
	}
	return s
}

// secrets are the credentials that are sent with a call.
func secrets(h http.Header) []string {
	var out []string
	for _, name := range secretHeaders {
		value := h.Get(name)
		if scheme, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
			value = rest
		}
		if value != "" {
			out = append(out, value)
		}
	}
	return out
}

// history is what is known of the attempts of a call that failed.
type history struct {
	classes []model.ErrorClass
	last    model.FailureBody
}

// maxEarlier is the most earlier attempts that are told of.
const maxEarlier = 16

// add notes a failed attempt, and tells it of those before it.
func (h *history) add(failure *model.Error) {
	failure.EarlierClasses = append([]model.ErrorClass(nil), h.classes...)
	h.classes = append(h.classes, failure.Class)
	if len(h.classes) > maxEarlier {
		h.classes = append(h.classes[:0], h.classes[1:]...)
	}
	h.last = failure.Body
}

// end is for a failure that is no attempt: what the last one brought is told with it.
func (h *history) end(failure *model.Error) *model.Error {
	failure.EarlierClasses, failure.Body = append([]model.ErrorClass(nil), h.classes...), h.last
	return failure
}

// redact takes the call's own credential out of a reply as far as it stands there
// as it was sent, and changes nothing else: a server that echoes it must not get it
// into transcripts.
func redact(h http.Header, body []byte) []byte {
	for _, value := range secrets(h) {
		if len(value) < shortestSecret {
			continue
		}
		// Some servers escape slashes.
		for _, form := range []string{value, strings.ReplaceAll(value, "/", `\/`)} {
			if bytes.Contains(body, []byte(form)) {
				body = bytes.ReplaceAll(body, []byte(form), []byte(credential.Redacted))
			}
		}
	}
	return body
}
