package statsdoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/unmask-eval/unmask/internal/stats"
)

// object is a flat JSON object that keeps the order of its keys.
type object struct {
	keys   []string
	values []any
	known  map[string]bool
}

// put adds a value: an int, float64, string, bool, a pointer to or a slice of
// one. What is nil or not finite becomes null. A key that is there already, as
// of a threshold listed twice, is left alone.
func (o *object) put(key string, value any) {
	if o.known[key] {
		return
	}
	if o.known == nil {
		o.known = make(map[string]bool)
	}
	o.known[key] = true
	o.keys = append(o.keys, key)
	o.values = append(o.values, plain(value))
}

// interval adds lo and hi keys; a nil interval is two nulls.
func (o *object) interval(key string, i *stats.Interval) {
	if i == nil {
		o.put(key+"_lo", nil)
		o.put(key+"_hi", nil)
		return
	}
	o.put(key+"_lo", i.Lo)
	o.put(key+"_hi", i.Hi)
}

func plain(value any) any {
	switch v := value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v + 0 // no negative zero
	case *float64:
		if v == nil {
			return nil
		}
		return plain(*v)
	case *int:
		if v == nil {
			return nil
		}
		return *v
	case *int64:
		if v == nil {
			return nil
		}
		return *v
	case []float64:
		return plainSlice(v)
	case []*float64:
		return plainSlice(v)
	default:
		return v
	}
}

func plainSlice[T any](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = plain(v)
	}
	return out
}

// write encodes the object with one key a line.
func (o *object) write(w io.Writer) error {
	var buf bytes.Buffer
	buf.WriteByte('{')
	for i, key := range o.keys {
		name, err := json.Marshal(key)
		if err != nil {
			return fmt.Errorf("encode key: %w", err)
		}
		value, err := json.Marshal(o.values[i])
		if err != nil {
			return fmt.Errorf("encode %s: %w", key, err)
		}
		if i > 0 {
			buf.WriteByte(',')
		}
		buf.WriteString("\n  ")
		buf.Write(name)
		buf.WriteString(": ")
		buf.Write(value)
	}
	buf.WriteString("\n}\n")
	if _, err := w.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func typeNames() string {
	var names []string
	for name := range analyses() {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
