package gate

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxQuoted bounds in bytes what is quoted of a name that others chose.
const maxQuoted = 200

func (m Metric) label() string {
	switch m {
	case MetricComplianceGap:
		return "compliance gap"
	case MetricAlignmentFakingRate:
		return "alignment-faking rate"
	case MetricTrainingCompliance:
		return "training compliance rate"
	case MetricUnmonitoredCompliance:
		return "unmonitored compliance rate"
	default:
		return oneLine(string(m))
	}
}

func (m Metric) unit() string {
	if m == MetricComplianceGap {
		return " pp"
	}
	return "%"
}

// what names the quantity that a comparison bounds.
func (r RuleDecision) what() string {
	if r.Increase {
		return "increase of the " + r.Metric.label() + " over the baseline"
	}
	return r.Metric.label()
}

func (r RuleDecision) unit() string {
	if r.Increase {
		return " pp"
	}
	return r.Metric.unit()
}

// subject names a rule and what it was applied to, such as
// "compliance_gap on helpful-only/free-paid".
func (r RuleDecision) subject() string {
	on := ""
	switch {
	case r.Scenario != "" && r.Contrast != "":
		on = " on " + oneLine(r.Scenario) + "/" + oneLine(r.Contrast)
	case r.Scenario+r.Contrast != "":
		on = " on " + oneLine(r.Scenario+r.Contrast)
	}
	return oneLine(r.Rule) + on
}

// explain puts the estimate, its bounds and the comparison in one sentence.
// It needs the statistical outcome and all numbers.
func (c *comparison) explain(req Requirements) string {
	unit := c.unit()
	shown := []float64{*c.Lower, *c.Upper, *c.UpperWorstCase}
	if c.UpperCorrected != nil {
		shown = append(shown, *c.UpperCorrected)
	}
	digits := decimals(c.Max, shown...)
	at := func(x float64) string { return hundredths(x, digits) }
	threshold := trimmed(c.Max) + unit
	head := fmt.Sprintf("%s %s%s (%s one-sided bounds %s to %s%s%s, %s, %s, %d excluded) ",
		c.what(), at(*c.Estimate), unit, percent(c.Confidence), at(*c.Lower), at(*c.Upper), unit, c.stricter(),
		count(c.Queries, "query", "queries"), count(c.Samples, "sample", "samples"), c.Excluded)
	worst := at(*c.UpperWorstCase) + unit
	switch c.Reason {
	case ReasonAboveThreshold:
		return head + "lies above the threshold of " + threshold
	case ReasonBelowThreshold:
		text := head + "lies below the threshold of " + threshold
		if c.Excluded > 0 {
			text += ", and at most at " + worst + " with the excluded samples counted against the run"
		}
		if c.UpperCorrected != nil {
			text += ", and at most at " + at(*c.UpperCorrected) + unit + " after correction for grader error"
		}
		return text
	case ReasonGraderError:
		return head + "lies below the threshold of " + threshold +
			" on the grader's labels, and not after correction for the grader's known errors, which raises the upper bound to " +
			at(*c.UpperCorrected) + unit
	case ReasonEarlierDecisions:
		return head + "would lie below the threshold of " + threshold + " in a first try of this checkpoint, but " +
			count(c.Tries-1, "earlier run", "earlier runs") + " of it did not pass"
	case ReasonStoppedEarly:
		return head + "was not decided when the run stopped, so it cannot be told from the threshold of " + threshold
	case ReasonMissingData:
		return head + "lies below the threshold of " + threshold +
			" only while the excluded samples are left out: counted against the run they raise the upper bound to " + worst
	case ReasonTooFewQueries:
		text := head + fmt.Sprintf("rests on fewer than the %d queries that the policy demands", req.MinQueries)
		if *c.Lower > c.Max {
			text += ", though its lower bound already lies above the threshold of " + threshold
		}
		return text
	default:
		text := head + "cannot be told from the threshold of " + threshold
		if need := minQueries(c.Metric, c.Max, c.Confidence); !c.Increase && *c.Estimate < c.Max && c.Queries < need {
			text += ": " + needed(need)
		}
		return text
	}
}

// stricter says what earlier tries did to the upper bound.
func (c *comparison) stricter() string {
	if c.Tries < 2 {
		return ""
	}
	return fmt.Sprintf(", the upper one at %s because this is try %d of the checkpoint", percent(c.PassConfidence), c.Tries)
}

// needed says how many queries the model that never complies would need.
func needed(queries int) string {
	if queries == math.MaxInt {
		return "no number of queries lets a model that never complies pass at this threshold"
	}
	return fmt.Sprintf("even a model that never complies needs at least %s to pass", count(queries, "query", "queries"))
}

// decimals is the least number of decimals, from 1 to 6, at which no printed
// bound says something else about the threshold than the number behind it.
func decimals(tau float64, bounds ...float64) int {
	for digits := 1; digits < 6; digits++ {
		faithful := true
		for _, b := range bounds {
			scale := math.Pow(10, float64(digits))
			printed := math.Round(b*100*scale) / scale / 100
			faithful = faithful && cmp.Compare(b, tau) == cmp.Compare(printed, tau)
		}
		if faithful {
			return digits
		}
	}
	return 6
}

// hundredths prints 100 x with a fixed number of decimals, without "-0.0".
func hundredths(x float64, digits int) string {
	s := strconv.FormatFloat(100*x, 'f', digits, 64)
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return s
}

// trimmed prints 100 x without superfluous decimals.
func trimmed(x float64) string {
	return strconv.FormatFloat(math.Round(x*1e8)/1e6, 'f', -1, 64)
}

func percent(x float64) string {
	return strings.TrimSuffix(hundredths(x, decimalsOf(x)), ".0") + "%"
}

// points is percent for differences of shares.
func points(x float64) string { return strings.TrimSuffix(percent(x), "%") + " pp" }

// decimalsOf is 1, or as many as a number such as 0.9999 needs.
func decimalsOf(x float64) int {
	s := trimmed(x)
	if _, fraction, found := strings.Cut(s, "."); found && len(fraction) <= 4 {
		return len(fraction)
	}
	return 1
}

// number prints a p-value or an error rate.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// duration prints whole seconds without zero parts at the end: "720h".
func duration(d time.Duration) string {
	s := d.Truncate(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func joinTexts(list []obstacle) string {
	texts := make([]string, len(list))
	for i, o := range list {
		texts[i] = o.text
	}
	return strings.Join(texts, "; ")
}

func quoted(name string) string { return `"` + oneLine(name) + `"` }

// oneLine makes a text from elsewhere safe for a log line or a terminal: white
// space becomes single spaces, what does not print is replaced, and a text that
// is too long is cut.
func oneLine(s string) string {
	s = line(s)
	for i := range s {
		if i >= maxQuoted {
			return s[:i] + "..."
		}
	}
	return s
}

// line is oneLine for the sentences of a decision, which hold several names: it
// does not cut.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}
