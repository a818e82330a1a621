package gate

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/stats"
)

// Names of what is digested, inside the digested text: a policy and evidence
// can never share a digest, and a later layout gets another name.
const (
	policyFormat   = "unmask.gate.policy/1"
	evidenceFormat = "unmask.gate.evidence/1"
)

// digest pins the policy as it is decided on, defaults included.
func (p Policy) digest() string {
	c := newCanonical()
	c.open('{')
	c.key("format").str(policyFormat)
	req := p.Requirements
	c.key("requirements").open('{')
	if req.Calibration {
		c.key("calibration").boolean(true)
	}
	c.key("controls").optional(req.Controls != nil, func() { c.boolean(*req.Controls) })
	c.key("max_age").str(req.MaxAge.String())
	c.key("max_excluded_share").optional(req.MaxExcludedShare != nil, func() { c.number(*req.MaxExcludedShare) })
	c.key("max_exclusion_imbalance").optional(req.MaxExclusionImbalance != nil, func() { c.number(*req.MaxExclusionImbalance) })
	c.key("min_queries").integer(req.MinQueries)
	c.key("plan_digest").str(req.PlanDigest)
	c.close('}')
	c.key("rules").open('[')
	for _, r := range p.Rules {
		c.open('{')
		c.key("confidence").number(r.Confidence)
		c.key("contrast").str(r.Contrast)
		c.key("id").str(r.ID)
		c.key("max").number(r.Max)
		if r.MaxIncrease != nil {
			c.key("max_increase").number(*r.MaxIncrease)
		}
		c.key("metric").str(string(r.Metric))
		c.key("scenario").str(r.Scenario)
		c.close('}')
	}
	c.close(']')
	c.close('}')
	return c.sum()
}

// digest pins sorted evidence. Keys of what the evidence does not have are left
// out.
func (e Evidence) digest() string {
	c := newCanonical()
	c.evidence(e)
	return c.sum()
}

func (c *canonical) evidence(e Evidence) {
	c.open('{')
	if e.Baseline != nil {
		c.key("baseline").evidence(e.Baseline.evidence())
	}
	if e.Calibration != nil {
		c.key("calibration").calibration(*e.Calibration)
	}
	if e.Checkpoint != "" {
		c.key("checkpoint").str(e.Checkpoint)
	}
	c.key("controls").open('[')
	for _, ctl := range e.Controls {
		c.open('{')
		c.key("detail").str(ctl.Detail)
		c.key("id").str(ctl.ID)
		c.key("passed").boolean(ctl.Passed)
		c.close('}')
	}
	c.close(']')
	if len(e.Earlier) > 0 {
		c.key("earlier").earlier(e.Earlier)
	}
	c.key("ended").optional(!e.Ended.IsZero(), func() { c.str(e.Ended.UTC().Format(time.RFC3339Nano)) })
	c.key("format").str(evidenceFormat)
	c.key("plan_digest").str(e.PlanDigest)
	c.key("run").str(e.Run)
	if e.Sequential != nil {
		c.key("sequential").open('{')
		c.key("complete").boolean(e.Sequential.Complete)
		c.close('}')
	}
	c.key("state").str(e.State)
	c.key("succeeded").boolean(e.Succeeded)
	c.key("tables").open('[')
	for _, t := range e.Tables {
		c.table(t)
	}
	c.close(']')
	c.close('}')
}

func (c *canonical) earlier(list []Earlier) {
	c.open('[')
	for _, e := range list {
		c.open('{')
		c.key("decision").str(e.Decision)
		c.key("looks").open('[')
		for _, l := range e.Looks {
			c.open('{')
			c.key("contrast").str(l.Contrast)
			c.key("increase").boolean(l.Increase)
			c.key("max").number(l.Max)
			c.key("metric").str(string(l.Metric))
			c.key("outcome").str(string(l.Outcome))
			c.key("scenario").str(l.Scenario)
			c.close('}')
		}
		c.close(']')
		c.key("run").str(e.Run)
		c.close('}')
	}
	c.close(']')
}

func (c *canonical) calibration(k Calibration) {
	c.open('{')
	c.key("any_compliance").byRole(k.AnyCompliance)
	c.key("audited").boolean(k.Audited)
	c.key("complied").byRole(k.Complied)
	c.key("faking").byRole(k.Faking)
	c.key("name").str(k.Name)
	c.close('}')
}

func (c *canonical) byRole(r ByRole) {
	c.open('{')
	c.key("pooled").confusion(r.Pooled)
	c.key("training").confusion(r.Training)
	c.key("unmonitored").confusion(r.Unmonitored)
	c.close('}')
}

func (c *canonical) confusion(m stats.Confusion) {
	c.open('{')
	c.key("false_negative").integer(m.FalseNegative)
	c.key("false_positive").integer(m.FalsePositive)
	c.key("true_negative").integer(m.TrueNegative)
	c.key("true_positive").integer(m.TruePositive)
	c.close('}')
}

func (c *canonical) table(t Table) {
	c.open('{')
	c.key("compliance").open('[')
	for _, p := range t.Compliance {
		c.open('{')
		c.key("id").str(p.ID)
		c.key("training").cluster(p.Training)
		c.key("unmonitored").cluster(p.Unmonitored)
		c.close('}')
	}
	c.close(']')
	c.key("contrast").str(t.Contrast)
	c.key("faking").open('[')
	for _, f := range t.Faking {
		c.cluster(f)
	}
	c.close(']')
	if len(t.Order) > 0 {
		c.key("order").open('[')
		for _, id := range t.Order {
			c.str(id)
		}
		c.close(']')
	}
	if t.PartialWeight != 0 {
		c.key("partial_weight").number(t.PartialWeight)
	}
	c.key("primary").boolean(t.Primary)
	c.key("scenario").str(t.Scenario)
	c.key("training_condition").str(t.TrainingCondition)
	c.key("unmonitored_condition").str(t.UnmonitoredCondition)
	c.close('}')
}

func (c *canonical) cluster(s stats.Cluster) {
	c.open('{')
	c.key("id").str(s.ID)
	c.key("planned").integer(s.Planned)
	c.key("sum").number(s.Sum)
	c.key("sum_squares").number(s.SumSquares)
	c.key("valid").integer(s.Valid)
	c.close('}')
}

// canonical writes canonical JSON into a hash: no white space, keys in the
// order of their bytes (which the callers keep), strings and numbers as RFC 8785
// has them. It goes beyond the RFC where that would lose something: -0 stays
// -0, "NaN", "Infinity" and "-Infinity" are strings, and a string that is not
// UTF-8 is an object {"base64": ...}.
type canonical struct {
	hash  hash.Hash
	w     *bufio.Writer
	comma bool
}

func newCanonical() *canonical {
	h := sha256.New()
	return &canonical{hash: h, w: bufio.NewWriter(h)}
}

// sum returns "sha256:" and the hex digits of what was written. Neither the
// hash nor a buffer before it can fail to be written to.
func (c *canonical) sum() string {
	_ = c.w.Flush()
	return "sha256:" + hex.EncodeToString(c.hash.Sum(nil))
}

func (c *canonical) open(bracket byte) {
	c.separate()
	_ = c.w.WriteByte(bracket)
	c.comma = false
}

func (c *canonical) close(bracket byte) {
	_ = c.w.WriteByte(bracket)
	c.comma = true
}

func (c *canonical) separate() {
	if c.comma {
		_ = c.w.WriteByte(',')
	}
	c.comma = true
}

func (c *canonical) key(name string) *canonical {
	c.str(name)
	_ = c.w.WriteByte(':')
	c.comma = false
	return c
}

func (c *canonical) raw(text string) {
	c.separate()
	_, _ = c.w.WriteString(text)
}

func (c *canonical) boolean(b bool) { c.raw(strconv.FormatBool(b)) }

func (c *canonical) integer(i int) { c.raw(strconv.Itoa(i)) }

func (c *canonical) optional(present bool, write func()) {
	if !present {
		c.raw("null")
		return
	}
	write()
}

func (c *canonical) number(f float64) {
	switch {
	case math.IsNaN(f):
		c.str("NaN")
	case math.IsInf(f, 1):
		c.str("Infinity")
	case math.IsInf(f, -1):
		c.str("-Infinity")
	default:
		c.raw(shortest(f))
	}
}

// shortest prints the fewest digits that read back as the same number, in the
// notation of ECMAScript.
func shortest(f float64) string {
	if size := math.Abs(f); size == 0 || size >= 1e-6 && size < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	b := strconv.AppendFloat(nil, f, 'e', -1, 64)
	// Go writes e-07 where ECMAScript writes e-7.
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-2] == '0' {
		b = append(b[:n-2], b[n-1])
	}
	return string(b)
}

func (c *canonical) str(s string) {
	if !utf8.ValidString(s) {
		c.open('{')
		c.key("base64").str(base64.StdEncoding.EncodeToString([]byte(s)))
		c.close('}')
		return
	}
	c.separate()
	_ = c.w.WriteByte('"')
	for i := range len(s) {
		c.character(s[i])
	}
	_ = c.w.WriteByte('"')
}

func (c *canonical) character(b byte) {
	const short = "\b\t\n\f\r\"\\"
	const letters = `btnfr"\`
	for i := range len(short) {
		if b == short[i] {
			_, _ = c.w.Write([]byte{'\\', letters[i]})
			return
		}
	}
	if b < 0x20 {
		_, _ = c.w.WriteString(`\u00` + hex.EncodeToString([]byte{b}))
		return
	}
	_ = c.w.WriteByte(b)
}
