package relational

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// encode returns v as JSON in which every string survives byte for byte.
//
// JSON cannot hold invalid UTF-8, and a verdict quotes what a model wrote, so
// bytes that are not UTF-8 are written as the mark followed by the character
// of the same number, and the mark itself twice. Floats are written in their
// shortest exact form; NaN and infinities are an error.
func encode(v any) ([]byte, error) {
	doc, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	// Only then is it worth looking at each string.
	if bytes.Contains(doc, []byte(`\ufffd`)) || bytes.ContainsRune(doc, mark) {
		if doc, err = marshal(mapped(reflect.ValueOf(v), markBytes).Interface()); err != nil {
			return nil, fmt.Errorf("encode %T: %w", v, err)
		}
	}
	return doc, nil
}

// marshal writes invalid UTF-8 as the escape of the replacement character,
// which valid text never has: there that character stands for itself.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode is the inverse of encode; v is a pointer. A field that v does not
// have is an error, so that nothing that was decided on is dropped silently.
func decode(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: decode %T: %w", ErrDamaged, v, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: decode %T: data after the document", ErrDamaged, v)
	}
	if bytes.ContainsRune(b, mark) {
		target := reflect.ValueOf(v).Elem()
		target.Set(mapped(target, unmarkBytes))
	}
	return nil
}

// mark is a code point that is set aside for use inside programs and stands in
// no text.
const mark = '\U0010FFFF'

// ToText returns s as text that any database takes: valid UTF-8 without NUL.
// FromText is its inverse. Text that is so already stays as it is, unless the
// mark is in it.
func ToText(s string) string {
	s = markBytes(s)
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	// As a byte, this character is NUL again.
	return strings.ReplaceAll(s, "\x00", string(mark)+"\u0100")
}

// FromText is the inverse of ToText.
func FromText(s string) string { return unmarkBytes(s) }

func markBytes(s string) string {
	if utf8.ValidString(s) && !strings.ContainsRune(s, mark) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteRune(mark)
			b.WriteRune(rune(s[i]))
		case r == mark:
			b.WriteRune(mark)
			b.WriteRune(mark)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

func unmarkBytes(s string) string {
	if !strings.ContainsRune(s, mark) {
		return s
	}
	var b strings.Builder
	marked := false
	for _, r := range s {
		switch {
		case !marked && r == mark:
			marked = true
		case marked && r != mark:
			b.WriteByte(byte(r))
			marked = false
		default:
			b.WriteRune(r)
			marked = false
		}
	}
	return b.String()
}

var timeType = reflect.TypeFor[time.Time]()

// mapped returns a copy of v with f applied to every string in it. What has no
// strings may be shared with v.
func mapped(v reflect.Value, f func(string) string) reflect.Value {
	if v.Type() == timeType {
		return v
	}
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(f(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(mapped(v.Elem(), f))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(mapped(v.Index(i), f))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for it := v.MapRange(); it.Next(); {
				out.SetMapIndex(mapped(it.Key(), f), mapped(it.Value(), f))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(mapped(v.Field(i), f))
			}
		}
	}
	return out
}
