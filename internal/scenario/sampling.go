package scenario

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Sampling are the parameters of generation that a scenario needs, whatever the
// plan says. What it leaves out is the plan's.
type Sampling struct {
	// Temperature in [0, 2], or nil.
	Temperature *float64 `json:"temperature,omitempty"`
	// TopP in (0, 1], or nil.
	TopP *float64 `json:"top_p,omitempty"`
	// MaxTokens bounds a reply, 1 to MaxReplyTokens, or 0.
	MaxTokens int `json:"max_tokens,omitempty"`
	// Stop are sequences that end a reply, in the place of all of the plan's; see
	// StopFault.
	Stop []string `json:"stop,omitempty"`
}

// IsZero reports whether nothing is overridden.
func (s Sampling) IsZero() bool {
	return s.Temperature == nil && s.TopP == nil && s.MaxTokens == 0 && len(s.Stop) == 0
}

// StopFault says what is wrong with the stop sequences of a plan or a scenario, and
// with which one; at is -1 for the list as a whole, and message empty where nothing
// is. There are at most MaxStop different ones of 1 to MaxStopBytes bytes.
func StopFault(stop []string) (at int, message string) {
	if len(stop) > MaxStop {
		return -1, fmt.Sprintf("has %d items; at most %d are allowed", len(stop), MaxStop)
	}
	first := map[string]int{}
	for i, s := range stop {
		other, taken := first[s]
		switch {
		case s == "":
			return i, "is empty"
		case len(s) > MaxStopBytes:
			return i, fmt.Sprintf("has %d bytes; at most %d are allowed", len(s), MaxStopBytes)
		case !utf8.ValidString(s):
			return i, "is not UTF-8"
		case taken:
			return i, fmt.Sprintf("repeats item %d", other)
		}
		first[s] = i
	}
	return 0, ""
}

func samplingDocument(s Sampling) *Sampling {
	if s.IsZero() {
		return nil
	}
	return &s
}

// samplingReader reads the block. A list without items would look like "none", which
// is not what it means.
func (d *decoder) samplingReader(into *Sampling) reader {
	return d.fields(map[string]reader{
		"temperature": d.decimal(&into.Temperature),
		"top_p":       d.decimal(&into.TopP),
		"max_tokens":  d.whole(&into.MaxTokens, MaxReplyTokens),
		"stop": func(n *yaml.Node, path string) {
			d.texts(&into.Stop)(n, path)
			if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
				d.fail(n, path, "needs at least 1 item; leave it out to keep those of the plan")
			}
		},
	})
}

// decimal is number for a field that may be left out.
func (d *decoder) decimal(into **float64) reader {
	return func(n *yaml.Node, path string) {
		var f float64
		d.number(&f)(n, path)
		if !d.faulty[path] {
			*into = &f
		}
	}
}

// whole reads a whole number from 1 on.
func (d *decoder) whole(into *int, most int) reader {
	return func(n *yaml.Node, path string) {
		d.mark(n, path)
		v, err := strconv.Atoi(n.Value)
		switch {
		case kindName(n) != "a number":
			d.mismatch(n, path, fmt.Sprintf("a whole number from 1 to %d", most))
		case n.Tag != "!!int" || err != nil || v < 1 || v > most:
			d.fail(n, path, "must be a whole number from 1 to %d, not %s", most, shown(n.Value))
		default:
			*into = v
		}
	}
}

// sampling checks what a scenario that came from no document may hold.
func (c checker) sampling() {
	s := c.Sampling
	if t := s.Temperature; t != nil && !(*t >= 0 && *t <= 2) { // also catches NaN
		c.fail("sampling.temperature", "must be a number from 0 to 2")
	}
	if p := s.TopP; p != nil && !(*p > 0 && *p <= 1) {
		c.fail("sampling.top_p", "must be a number above 0 and up to 1")
	}
	if s.MaxTokens < 0 || s.MaxTokens > MaxReplyTokens {
		c.fail("sampling.max_tokens", "must be a whole number from 1 to %d", MaxReplyTokens)
	}
	at, message := StopFault(s.Stop)
	switch {
	case message == "":
		for i, stop := range s.Stop {
			if offset, fault, ok := textFault(stop, true); !ok {
				c.found(fmt.Sprintf("sampling.stop[%d]", i), offset, fault)
			}
		}
	case at < 0:
		c.fail("sampling.stop", "%s", message)
	default:
		c.fail(fmt.Sprintf("sampling.stop[%d]", at), "%s", message)
	}
}

func samplingNode(s *Sampling) *yaml.Node {
	n := mapping()
	if s.Temperature != nil {
		put(n, "temperature", number(*s.Temperature))
	}
	if s.TopP != nil {
		put(n, "top_p", number(*s.TopP))
	}
	if s.MaxTokens > 0 {
		put(n, "max_tokens", scalar(strconv.Itoa(s.MaxTokens), "!!int", 0))
	}
	putList(n, "stop", s.Stop, text)
	return n
}

func samplingSchema() *schema {
	zero, one, two, most := 0, 1, 2, MaxReplyTokens
	tokens := &schema{Type: "integer", Minimum: &one, Maximum: &most}
	stop := &schema{Type: "string", MinLength: 1, MaxLength: MaxStopBytes}
	return objectSchema("", map[string]*schema{
		"temperature": (&schema{Type: "number", Minimum: &zero, Maximum: &two}).says("Temperature of sampling."),
		"top_p":       (&schema{Type: "number", Above: &zero, Maximum: &one}).says("Mass of nucleus sampling."),
		"max_tokens":  tokens.says("The most tokens of a reply, reasoning included."),
		"stop":        listSchema(stop).within(1, MaxStop).distinct().says("Sequences that end a reply, in the place of all of the plan's."),
	}).says("Parameters of generation that the experiment needs; they go before those of a plan.")
}
