package simserver

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// apiError is a failure in the shape that OpenAI gives it.
type apiError struct {
	status int
	// code is for machines and message for people; param names the field of
	// the request that is wrong, or is "".
	code, message, param string
}

// kind is the value of the field "type".
func (e apiError) kind() string {
	switch {
	case e.status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case e.status >= 500:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

// fail writes an error.
func fail(w http.ResponseWriter, e apiError) {
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	}
	b := body{Message: e.message, Type: e.kind(), Code: e.code}
	if e.param != "" {
		b.Param = &e.param
	}
	writeJSON(w, e.status, map[string]body{"error": b})
}

// writeJSON writes a whole JSON body with its length.
func writeJSON(w http.ResponseWriter, status int, value any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)                  // replies are full of tags
	if err := enc.Encode(value); err != nil { // the values are all of this package and can be written
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // a client that is gone needs no answer
}

// allow refuses all methods but one.
func allow(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	fail(w, apiError{status: http.StatusMethodNotAllowed, code: "method_not_allowed", message: "the method must be " + method})
	return false
}

// authorized reports whether a request bears the key, if one is needed.
func (s *Server) authorized(r *http.Request) bool {
	if s.opts.APIKey.IsZero() {
		return true
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(key), []byte(s.opts.APIKey.Reveal())) == 1
}
