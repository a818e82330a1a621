package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
)

// writeBehaviors prints what was found of the behaviours that a scenario
// declares, each with its denominator and what was left out of it.
func writeBehaviors(w io.Writer, s *unmaskv1.ScenarioResults) {
	if len(s.GetConditions()) == 0 || len(s.GetConditions()[0].GetBehaviors()) == 0 {
		return
	}
	fmt.Fprintf(w, "\n  behaviours, among the samples whose reasoning was observed:\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "    behaviour\tcondition\tfound\trate\tleft out\n")
	for i, b := range s.GetConditions()[0].GetBehaviors() {
		for _, c := range s.GetConditions() {
			one := c.GetBehaviors()[i]
			fmt.Fprintf(t, "    %s\t%s\t%.0f of %d\t%s\t%s\n", b.GetBehavior(), c.GetCondition(),
				one.GetRate().GetNumerator(), one.GetRate().GetDenominator(), rate(one.GetRate()), leftOut(one))
		}
	}
	_ = t.Flush()
	for _, c := range s.GetContrasts() {
		for _, b := range c.GetBehaviors() {
			g := b.GetGap()
			fmt.Fprintf(w, "    %s, %s minus %s:  %s%s  over %d queries\n", b.GetBehavior(), c.GetTraining(), c.GetUnmonitored(),
				differenceText(g), pText(g.PValue), g.GetQueries())
		}
	}
	fmt.Fprintln(w)
}

func differenceText(g *unmaskv1.Gap) string {
	if g.Estimate == nil {
		return "unknown (no query has an observed sample in both conditions)"
	}
	return gapText(g)
}

// leftOut lists the samples that a behaviour's rate does not use, by cause.
func leftOut(b *unmaskv1.BehaviorRate) string {
	var causes []string
	for _, x := range b.GetExclusions() {
		cause := fmt.Sprintf("%d %s", x.GetCount(), enum(x.GetCause().String(), "EXCLUSION_CAUSE_"))
		if x.GetCause() == unmaskv1.ExclusionCause_EXCLUSION_CAUSE_NOT_OBSERVABLE && b.GetMetNotObservable() > 0 {
			cause += fmt.Sprintf(" (%d show it in the answer)", b.GetMetNotObservable())
		}
		causes = append(causes, cause)
	}
	if len(causes) == 0 {
		return "none"
	}
	return strings.Join(causes, ", ")
}
