package statsdoc

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
)

// config reads settings by name and remembers every problem, so that all of
// them are reported at once by err.
type config struct {
	prefix   string
	values   map[string]json.RawMessage
	problems *[]error
}

// settings are all that any type of document knows; anything else is a typing
// error that would otherwise go unnoticed.
var settings = []string{
	"alpha", "alpha_early", "alpha_final", "bet_fractions", "calibration", "calibration_columns",
	"condition", "correlation", "cost_prompt", "cost_sample", "icc_free", "icc_paid", "k", "kind",
	"margin", "metric", "metrics", "min_prompts", "p_values", "partial_weight", "power", "rate_free",
	"rate_paid", "report_at", "resamples", "scenarios", "seed", "threshold", "thresholds", "x",
}

func newConfig(values map[string]json.RawMessage) (*config, error) {
	c := &config{prefix: "config.", values: values, problems: new([]error)}
	c.checkNames()
	return c, c.err()
}

func (c *config) checkNames() {
	var unknown []string
	for name := range c.values {
		if !slices.Contains(settings, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		c.bad(name, "is not a known setting")
	}
}

func (c *config) err() error { return errors.Join(*c.problems...) }

func (c *config) bad(name, format string, args ...any) {
	*c.problems = append(*c.problems, fieldError(c.prefix+name, format, args...))
}

func (c *config) has(name string) bool {
	raw, ok := c.values[name]
	return ok && string(raw) != "null"
}

// number reads a finite number, or the fallback where the setting is absent; a
// nil fallback makes it required.
func (c *config) number(name string, fallback *float64) float64 {
	if !c.has(name) {
		if fallback == nil {
			c.bad(name, "is required")
			return 0
		}
		return *fallback
	}
	var v float64
	if err := json.Unmarshal(c.values[name], &v); err != nil {
		c.bad(name, "must be a number")
	}
	return v
}

// within reads a number in [lo, hi].
func (c *config) within(name string, lo, hi float64, fallback *float64) float64 {
	v := c.number(name, fallback)
	if v < lo || v > hi {
		c.bad(name, "must lie in [%v, %v]", lo, hi)
		return clampTo(v, lo, hi)
	}
	return v
}

// below1 reads a required number strictly between lo and 1.
func (c *config) below1(name string, lo float64) float64 {
	v := c.number(name, nil)
	if (v <= lo || v >= 1) && c.has(name) {
		c.bad(name, "must lie strictly between %v and 1", lo)
	}
	return v
}

func clampTo(v, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, v)) }

// alpha reads an error level.
func (c *config) alpha(name string) float64 {
	v := c.number(name, nil)
	if c.has(name) && !(v >= 1e-12 && v <= 0.5) {
		c.bad(name, "must lie in [1e-12, 0.5]")
		return 0.5
	}
	return v
}

// integer reads a whole number in [lo, hi].
func (c *config) integer(name string, lo, hi int, fallback *int) int {
	if !c.has(name) && fallback != nil {
		return *fallback
	}
	v := c.number(name, nil)
	if !c.has(name) {
		return lo
	}
	if v != math.Trunc(v) || v < float64(lo) || v > float64(hi) {
		c.bad(name, "must be a whole number in [%d, %d]", lo, hi)
		return lo
	}
	return int(v)
}

// oneOf reads a string from a closed list; the fallback may be empty to make it
// required.
func (c *config) oneOf(name, fallback string, allowed ...string) string {
	if !c.has(name) {
		if fallback == "" {
			c.bad(name, "is required, one of %s", strings.Join(allowed, ", "))
		}
		return fallback
	}
	var v string
	if err := json.Unmarshal(c.values[name], &v); err != nil || !slices.Contains(allowed, v) {
		c.bad(name, "must be one of %s", strings.Join(allowed, ", "))
	}
	return v
}

// written is a number together with how the document spells it, for keys.
type written struct {
	value float64
	text  string
}

// numbers reads an array of finite numbers in [lo, hi].
func (c *config) numbers(name string, required bool, lo, hi float64) []written {
	if !c.has(name) {
		if required {
			c.bad(name, "is required")
		}
		return nil
	}
	var raw []json.Number
	if err := json.Unmarshal(c.values[name], &raw); err != nil {
		c.bad(name, "must be an array of numbers")
		return nil
	}
	out := make([]written, 0, len(raw))
	for i, n := range raw {
		v, err := n.Float64()
		if err != nil || v < lo || v > hi {
			c.bad(name+index(i), "must be a number in [%v, %v]", lo, hi)
			continue
		}
		out = append(out, written{value: v, text: n.String()})
	}
	return out
}

// list reads a non-empty array of objects as configurations of their own.
func (c *config) list(name string) []*config {
	if !c.has(name) {
		c.bad(name, "is required")
		return nil
	}
	var raw []map[string]json.RawMessage
	if err := json.Unmarshal(c.values[name], &raw); err != nil {
		c.bad(name, "must be an array of objects")
		return nil
	}
	if len(raw) == 0 || len(raw) > 10_000 {
		c.bad(name, "must hold between 1 and 10000 objects")
		return nil
	}
	out := make([]*config, len(raw))
	for i, values := range raw {
		out[i] = &config{prefix: c.prefix + name + index(i) + ".", values: values, problems: c.problems}
		out[i].checkNames()
	}
	return out
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

func fallback[T any](v T) *T { return &v }
