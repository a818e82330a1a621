package transport

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxCode is the longest machine code that is shown.
const maxCode = 64

// machineCode finds the short code that a provider gives with an error, such
// as "context_length_exceeded", in the shapes that are in use:
// {"error":{"code","type"}}, {"error":"code"} and {"code","type"}. Anything
// that is not a short lower-case word is dropped, above all free text, which
// often repeats the request.
func machineCode(body []byte) string {
	var outer struct {
		Error json.RawMessage `json:"error"`
		Code  json.RawMessage `json:"code"`
		Type  json.RawMessage `json:"type"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return ""
	}
	var inner struct {
		Code json.RawMessage `json:"code"`
		Type json.RawMessage `json:"type"`
	}
	if json.Unmarshal(outer.Error, &inner) != nil {
		inner.Code = outer.Error
	}
	for _, raw := range []json.RawMessage{inner.Code, inner.Type, outer.Code, outer.Type} {
		var s string
		if json.Unmarshal(raw, &s) == nil && IsMachineCode(s) {
			return s
		}
	}
	return ""
}

// IsMachineCode reports whether s matches [a-z0-9_.-]{1,64}.
func IsMachineCode(s string) bool {
	if s == "" || len(s) > maxCode {
		return false
	}
	for i := range len(s) {
		b := s[i]
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' && b != '.' && b != '-' {
			return false
		}
	}
	return true
}

// echoes reports whether a code repeats something that was sent, so that it
// could carry a credential or a word of a prompt into an error.
func echoes(call Call, code string) bool {
	for _, values := range call.Header {
		for _, value := range values {
			if strings.Contains(strings.ToLower(value), code) {
				return true
			}
		}
	}
	return bytes.Contains(bytes.ToLower(call.Body), []byte(code))
}
