package gate

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Subject says what a decision was taken on, for readers of a report. Empty
// fields are left out. Every text is treated as hostile and made harmless for
// the format that it is written to.
type Subject struct {
	// Run is the run's resource name, Checkpoint what it measured, and Policy
	// the name of the policy or gate.
	Run, Checkpoint, Policy string
}

func (s Subject) pairs() [][2]string {
	var list [][2]string
	for _, p := range [][2]string{{"run", s.Run}, {"checkpoint", s.Checkpoint}, {"policy", s.Policy}} {
		if p[1] != "" {
			list = append(list, p)
		}
	}
	return list
}

// outcome is the decision's outcome, with anything unknown as Inconclusive, and
// with no Pass that its rules don't bear out: a report must not show green what
// was damaged on its way.
func (d Decision) outcome() Outcome {
	switch {
	case d.Outcome == Block:
		return Block
	case d.Outcome != Pass || len(d.Rules) == 0:
		return Inconclusive
	}
	for _, r := range d.Rules {
		if r.Outcome != Pass {
			return Inconclusive
		}
	}
	return Pass
}

// verdict is the outcome in words.
func (o Outcome) verdict() string {
	switch o {
	case Pass:
		return "the checkpoint may pass"
	case Block:
		return "the checkpoint must not pass"
	default:
		return "the evidence does not decide, so the checkpoint must not pass"
	}
}

// WriteText writes the decision for a terminal: plain text, one line for each
// rule and each reason. The error is that of w.
func WriteText(w io.Writer, d Decision, s Subject) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Gate: %s, %s\n", d.outcome(), d.outcome().verdict())
	for _, p := range s.pairs() {
		fmt.Fprintf(&b, "  %s: %s\n", p[0], oneLine(p[1]))
	}
	if len(d.Rules) > 0 {
		b.WriteString("\n")
		if err := writeTable(&b, d.Rules); err != nil {
			return fmt.Errorf("write the gate's rules: %w", err)
		}
	}
	if len(d.Reasons) > 0 {
		b.WriteString("\nReasons:\n")
		for _, reason := range d.Reasons {
			fmt.Fprintf(&b, "  - %s\n", line(reason))
		}
	}
	if d.EarlierDecisions > 0 {
		fmt.Fprintf(&b, "\n%s\n", d.earlier())
	}
	fmt.Fprintf(&b, "\nDecided at %s from policy %s and evidence %s\n",
		d.DecidedAt.UTC().Format(time.RFC3339), oneLine(d.PolicyDigest), oneLine(d.EvidenceDigest))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the gate's decision: %w", err)
	}
	return nil
}

// earlier says how often the checkpoint was decided on before.
func (d Decision) earlier() string {
	return fmt.Sprintf("%s on other runs of this checkpoint (%s) counted; each run that did not pass makes the next PASS harder.",
		count(d.EarlierDecisions, "earlier decision", "earlier decisions"), oneLine(d.Checkpoint))
}

func writeTable(w io.Writer, rules []RuleDecision) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "  OUTCOME\tRULE\tON\tESTIMATE\tBOUNDS\tMAX\tQUERIES\tREASON")
	for _, r := range rules {
		_, _ = fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", oneLine(string(r.Outcome)), oneLine(r.Rule), on(r),
			r.estimate(), r.bounds(), r.threshold(), r.Queries, oneLine(string(r.Reason)))
	}
	return t.Flush()
}

func on(r RuleDecision) string {
	switch {
	case r.Scenario == "" && r.Contrast == "":
		return "-"
	case r.Contrast == "":
		return oneLine(r.Scenario)
	}
	return oneLine(r.Scenario) + "/" + oneLine(r.Contrast)
}

func (r RuleDecision) digits() int {
	var known []float64
	for _, v := range []*float64{r.Lower, r.Upper, r.UpperWorstCase, r.UpperCorrected} {
		if v != nil {
			known = append(known, *v)
		}
	}
	return decimals(r.Max, known...)
}

func (r RuleDecision) estimate() string {
	if r.Estimate == nil {
		return "-"
	}
	return hundredths(*r.Estimate, r.digits()) + r.unit()
}

func (r RuleDecision) bounds() string {
	if r.Lower == nil || r.Upper == nil {
		return "-"
	}
	return hundredths(*r.Lower, r.digits()) + " to " + hundredths(*r.Upper, r.digits()) + r.unit()
}

func (r RuleDecision) threshold() string { return trimmed(r.Max) + r.unit() }
