package credential_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/model/credential"
)

const all = 1 << 20

// written are ways in which a server could write a secret of letters, digits,
// hyphens and underscores.
var written = map[string]func(secret string) string{
	"as it is":        func(s string) string { return s },
	"upper case":      strings.ToUpper,
	"backwards":       backwards,
	"hexadecimal":     func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"base64":          func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 of URLs":  func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"bearer, base64":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte("Bearer " + s)) },
	"user, base64":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte("me:" + s)) },
	"percent":         func(s string) string { return each(s, "%%%02x") },
	"percent twice":   func(s string) string { return url.QueryEscape(each(s, "%%%02X")) },
	"JSON":            func(s string) string { return each(s, `\u%04x`) },
	"JSON in JSON":    func(s string) string { return strconv.Quote(each(s, `\u%04x`)) },
	"HTML":            func(s string) string { return each(s, "&#%d;") },
	"HTML, hex":       func(s string) string { return html.EscapeString(each(s, "&#x%x;")) },
	"split by spaces": func(s string) string { return each(s, "%c \t") },
	"split by lines":  func(s string) string { return each(s, "%c\r\n") },
	"with stars":      func(s string) string { return s[:4] + "***" + s[4:] },
	"its beginning":   func(s string) string { return s[:10] },
	"its end":         func(s string) string { return s[len(s)-10:] },
}

func backwards(s string) string {
	out := ""
	for _, r := range s {
		out = string(r) + out
	}
	return out
}

func each(s, format string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

func TestScrubFindsASecretHoweverItIsWritten(t *testing.T) {
	for name, write := range written {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				secret := rapid.StringMatching(`[A-Za-z0-9]{10}[A-Za-z0-9_-]{2,40}[A-Za-z0-9]{10}`).Draw(t, "secret")
				before := rapid.StringMatching(`([!-~ ]{0,30}[ .:"])?`).Draw(t, "before")
				form := write(secret)
				got := credential.Scrub(before+form+" after", all, secret)
				if !strings.Contains(got, credential.Redacted) || strings.Contains(got, form) {
					t.Fatalf("%q is left of %q", got, form)
				}
				// What is left of it are pieces too short to mean anything, and in base64
				// what stands before it.
				rest := strings.TrimSuffix(strings.TrimPrefix(got, before), " after")
				if n := len(strings.Map(letter, strings.ReplaceAll(rest, credential.Redacted, ""))); n > 12 {
					t.Fatalf("%d characters of %q are left: %q", n, form, got)
				}
			})
		})
	}
}

func letter(r rune) rune {
	if (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') {
		return r
	}
	return -1
}

func TestScrubLeavesOtherTextAlone(t *testing.T) {
	for _, text := range []string{
		"", "no", `{"error":{"message":"model is overloaded","type":"server_error","code":503}}`,
		"<html><body><h1>502 Bad Gateway</h1>nginx/1.25.3</body></html>",
		"the maximum context length is 8192 tokens, your key question was longer", "bytes \xff\x00 that are no text",
		"100% of \\ and & are no escapes; neither is %zz, \\u12, &#x; or &#999999999;",
	} {
		require.Equal(t, text, credential.Scrub(text, all, "sk-planted-9f8e7d6c5b4a"))
	}
}

func TestScrubFindsCredentialsOfOthers(t *testing.T) {
	for _, tt := range []struct{ name, text, gone string }{
		{"header", "GET / HTTP/1.1\r\nAuthorization: Custom short\r\nAccept: x", "short"},
		{"header as a field", `{"headers":{"authorization":"Token xyz"},"x":1}`, "xyz"},
		{"header in JSON in JSON", `{"body":"{\"authorization\":\"Token xyz\"}"}`, "xyz"},
		{"header as a list", `{"X-Api-Key":["abc"]}`, "abc"},
		{"bearer", "got Bearer abcdefghijklmnopqrst here", "abcdefghijklmnopqrst"},
		{"field", `{"api_key": "abcdefgh12"}`, "abcdefgh12"},
		{"field with a camel's hump", `clientSecret=abcdefgh12&x=1`, "abcdefgh12"},
		{"password", `password: hunter2`, "hunter2"},
		{"parameter", "http://h/v1?alt=sse&key=abc123", "abc123"},
		{"user of a URL", "http://user:pass@h/", "pass"},
		{"key of a service", "Incorrect API key provided: sk-proj-abcdefgh.", "sk-proj-abcdefgh"},
		{"key with stars", "Incorrect API key provided: sk-abc1*****wxyz", "wxyz"},
		{"Google", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "1234567890"},
		{"AWS", "AKIAIOSFODNN7EXAMPLE", "IOSFODNN"},
		{"Hugging Face", "hf_abcdefghijklmnopqrst", "abcdefgh"},
		{"JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0abc.sig_nature", "sig_nature"},
		{"private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc", "MIIE"},
	} {
		got := credential.Scrub(tt.text, all)
		require.NotContains(t, got, tt.gone, tt.name)
		require.Contains(t, got, credential.Redacted, tt.name)
	}
}

func TestScrubAtTheEdges(t *testing.T) {
	const secret = "sk-planted-9f8e7d6c5b4a"
	require.Equal(t, "x [redacted]", credential.Scrub("x "+secret+" y", 10, secret), "a secret across the limit")
	require.Equal(t, "x ", credential.Scrub("x "+secret, 2, secret), "behind the limit")
	require.Equal(t, "cut: [redacted]", credential.Scrub("cut: sk-pla", all, secret), "a secret that the end cuts")
	require.Equal(t, "a [redacted] b", credential.Scrub("a kb4x9 b", all, "kb4x9"), "a short one")
	require.Equal(t, "a kb b", credential.Scrub("a kb b", all, "kb"), "one that is too short")
	require.Equal(t, "[redacted]", credential.Scrub("kb4x9kb4x9", all, "kb4x9"), "twice")
	require.Equal(t, "[redacted] and [redacted]", credential.Scrub("first-secret-1 and second-secret-2", all, "first-secret-1", "second-secret-2"))
}

func FuzzScrub(f *testing.F) {
	f.Add("&#x;%zz\\u00", 5, "sk-planted-9f8e7d6c5b4a")
	f.Add("Authorization: x", 100, "")
	f.Fuzz(func(t *testing.T, text string, limit int, secret string) {
		if limit < 0 || len(text) > 1<<12 || len(secret) > 1<<10 {
			return
		}
		got := credential.Scrub(text, limit, secret)
		if len(letters(secret)) >= 8 && strings.Contains(got, secret) && !strings.Contains(credential.Redacted, secret) { //nolint:gocritic // the mark may hold the secret
			t.Fatalf("the secret %q is left: %q", secret, got)
		}
	})
}

func letters(s string) string { return strings.Map(letter, s) }
