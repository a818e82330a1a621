// Package credential resolves secrets that the configuration names but never
// holds: a Ref says where a key is kept, and a Secret carries its value
// without ever printing it.
package credential

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Redacted is what every rendering of a Secret shows.
const Redacted = "[redacted]"

// maxSecretBytes bounds what is read from a secret's file. Keys are short; a
// larger file is almost surely the wrong one.
const maxSecretBytes = 16 << 10

// Secret is a credential that renders as [redacted] in every formatting,
// encoding and logging that the standard library knows. The zero value holds
// no credential.
type Secret struct {
	// value is a pointer because fmt prints unexported fields of other types
	// without asking their methods; it shows an address then.
	value *string
}

// New returns a secret that holds value.
func New(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value. Call it only where the credential is sent.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether s holds no credential.
func (s Secret) IsZero() bool { return s.value == nil }

// String implements fmt.Stringer.
func (s Secret) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return Redacted }

// Format implements fmt.Formatter, so that no verb reaches the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML use too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Ref names where a credential is kept. At most one field is set; the zero
// value means that no credential is needed.
type Ref struct {
	// Env is the name of an environment variable.
	Env string
	// File is the path of a file; white space around its content is dropped.
	File string
}

// Resolve reads the credential. It returns the zero Secret for the zero Ref,
// and an error that names the variable or the file, and never its content,
// when both fields are set, when nothing is there, or when what is there
// cannot be sent in a header.
func (r Ref) Resolve() (Secret, error) {
	switch {
	case r.Env != "" && r.File != "":
		return Secret{}, errors.New("credential: both an environment variable and a file are named")
	case r.Env != "":
		value, ok := os.LookupEnv(r.Env)
		if !ok {
			return Secret{}, fmt.Errorf("credential: environment variable %s is not set", r.Env)
		}
		return parse("environment variable "+r.Env, []byte(value))
	case r.File != "":
		raw, err := readFile(r.File)
		if err != nil {
			return Secret{}, fmt.Errorf("credential: %w", err)
		}
		return parse("file "+r.File, raw)
	default:
		return Secret{}, nil
	}
}

// readFile reads a file and refuses one that is too large to be a key.
func readFile(path string) (raw []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator's configuration names the file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	raw, err = io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxSecretBytes {
		return nil, fmt.Errorf("file %s is larger than %d bytes", path, maxSecretBytes)
	}
	return raw, nil
}

// parse trims the value and checks that it can stand in a header.
func parse(where string, raw []byte) (Secret, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return Secret{}, fmt.Errorf("credential: %s is empty", where)
	}
	for _, b := range raw {
		if b < 0x20 || b > 0x7e {
			return Secret{}, fmt.Errorf("credential: %s holds a byte that cannot be sent in a header", where)
		}
	}
	return New(string(raw)), nil
}
