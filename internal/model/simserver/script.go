package simserver

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// Step is something other than a normal answer. The request's body has been
// read when it is called.
type Step func(s *Server, w http.ResponseWriter, r *http.Request)

// Status answers with an error of the given status and, unless it is empty,
// the given Retry-After.
func Status(status int, retryAfter string) Step {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		fail(w, apiError{status: status, code: "simulated_" + strconv.Itoa(status), message: "a simulated failure"})
	}
}

// Body answers with the given status, content type and body.
func Body(status int, contentType, body string) Step {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // a client that is gone needs no answer
	}
}

// Huge answers 200 with a JSON string of at least the given size.
func Huge(size int) Step {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		chunk := make([]byte, 64<<10)
		for i := range chunk {
			chunk[i] = ' '
		}
		for sent := 0; sent < size; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return // the client has had enough
			}
		}
		_, _ = io.WriteString(w, `"end"`) // a client that is gone needs no answer
	}
}

// Hang answers nothing until the client goes, the server stops or HangLimit is
// over.
func Hang(s *Server, w http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(s.opts.HangLimit)
	defer timer.Stop()
	status := http.StatusGatewayTimeout
	select {
	case <-r.Context().Done():
		return
	case <-s.closing:
		status = http.StatusServiceUnavailable
	case <-timer.C:
	}
	fail(w, apiError{status: status, code: "simulated_timeout", message: "a simulated time-out"})
}

// Cut announces a body and ends the connection in the middle of it.
func Cut(_ *Server, w http.ResponseWriter, _ *http.Request) {
	const head = `{"id":"chatcmpl-sim","object":"chat.completion","choices":[{"index":0,"mess`
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(2*len(head)))
	_, _ = io.WriteString(w, head) // net/http closes a connection that owes bytes
}

// InvalidJSON answers 200 with a body that is no JSON.
func InvalidJSON(s *Server, w http.ResponseWriter, r *http.Request) {
	Body(http.StatusOK, "application/json", `{"choices": [{"message": {"content": oops`)(s, w, r)
}

// Page answers 200 with a page for people, as a proxy in trouble does.
func Page(s *Server, w http.ResponseWriter, r *http.Request) {
	Body(http.StatusOK, "text/html; charset=utf-8", "<!doctype html><title>Maintenance</title><p>Back soon.")(s, w, r)
}
