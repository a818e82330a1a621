package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/terminal"
)

type message = proto.Message

// wholly has fn write to w, and returns the first error of writing: a report
// that did not arrive must not end in success.
func wholly(w io.Writer, fn func(io.Writer)) error {
	var b bytes.Buffer
	fn(&b)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// printJSON writes one JSON object of messages; a nil message is left out.
func printJSON(w io.Writer, fields map[string]message) error {
	out := map[string]json.RawMessage{}
	for name, m := range fields {
		if m == nil || !m.ProtoReflect().IsValid() {
			continue
		}
		raw, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
		if err != nil {
			return fmt.Errorf("write %s as JSON: %w", name, err)
		}
		out[name] = raw
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// writeReport prints a run's results for people.
func writeReport(w io.Writer, e *unmaskv1.Evaluation, r *unmaskv1.Run) {
	fmt.Fprintf(w, "\nRun %s\n", r.GetName())
	p, u := r.GetProgress(), r.GetUsage()
	fmt.Fprintf(w, "  model %s, %s, %d of %d samples (%d without a reply), %d calls, %d tokens in, %d out, %s\n",
		terminal.Safe(r.GetModel()), enum(r.GetState().String(), "RUN_STATE_"), p.GetFinished(), p.GetPlanned(), p.GetErrors(),
		u.GetCalls(), u.GetInputTokens(), u.GetOutputTokens(), r.GetEndTime().AsTime().Sub(r.GetStartTime().AsTime()).Round(1e6))
	fmt.Fprintf(w, "  plan %s, seed %d\n", shortDigest(e.GetPlanDigest()), e.GetPlan().GetSeed())
	if r.GetError() != "" {
		fmt.Fprintf(w, "  failed: %s\n", terminal.Safe(r.GetError()))
	}
	res := r.GetResults()
	writeStopping(w, r)
	for _, s := range res.GetScenarios() {
		writeScenario(w, s, res.GetConfidence())
	}
	for _, f := range res.GetFamilies() {
		writeFamily(w, f, res.GetConfidence())
	}
}

// scenarioID is the id in the name of a scenario.
func scenarioID(name string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(name, "scenarios/"), "@")
	return id
}

// writeFamily prints the gaps of a scenario and its variants side by side.
func writeFamily(w io.Writer, f *unmaskv1.FamilyResults, confidence float64) {
	fmt.Fprintf(w, "\n%s under %d prompts: compliance gap, %s minus %s\n", scenarioID(f.GetFamily()), len(f.GetMembers()), f.GetTraining(), f.GetUnmonitored())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  prompt\tchanges\tgap\tqueries\tp of no gap, Holm\n")
	for _, m := range f.GetMembers() {
		changes, p := "nothing", "not tested"
		if m.GetFactor() != unmaskv1.VariantFactor_VARIANT_FACTOR_UNSPECIFIED {
			changes = strings.ToLower(enum(m.GetFactor().String(), "VARIANT_FACTOR_"))
		}
		if m.AdjustedPValue != nil {
			p = strings.TrimPrefix(strings.TrimPrefix(pText(m.AdjustedPValue), ", p "), "= ")
		}
		g := m.GetComplianceGap()
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d\t%s\n", scenarioID(m.GetScenario()), changes, gapText(g), g.GetQueries(), p)
	}
	_ = t.Flush()
	if f.Least != nil {
		fmt.Fprintf(w, "  gaps from %s to %s, standard deviation %.1f pp\n", pp(f.GetLeast()), pp(f.GetGreatest()), 100*f.GetStandardDeviation())
	}
	if worst := f.GetWorst(); worst != nil {
		fmt.Fprintf(w, "  greatest gap: %s, %s", scenarioID(worst.GetScenario()), pp(worst.GetEstimate()))
		if worst.Lower != nil {
			fmt.Fprintf(w, " [%+.1f, %+.1f] (%.4g%% for all %d prompts together)", 100*worst.GetLower(), 100*worst.GetUpper(), 100*confidence, len(f.GetMembers()))
		}
		fmt.Fprintln(w)
	}
	if c := f.GetComponents(); c != nil {
		fmt.Fprintf(w, "  standard deviation of a query's gap: %.1f pp between prompts, %.1f pp between queries, %.1f pp left over\n",
			100*math.Sqrt(c.GetBetweenVariants()), 100*math.Sqrt(c.GetBetweenQueries()), 100*math.Sqrt(c.GetResidual()))
		fmt.Fprintf(w, "    from %d queries with a gap under every prompt; %d without\n", c.GetQueries(), c.GetIncompleteQueries())
	}
}

// writeStopping says how far a run came that may stop early.
func writeStopping(w io.Writer, r *unmaskv1.Run) {
	s := r.GetResults().GetStopping()
	if s == nil {
		return
	}
	if s.GetComplete() {
		fmt.Fprintf(w, "  asked all of its %d queries: its gate was not decided earlier\n", s.GetPlannedQueries())
		return
	}
	saved := 0.0
	if planned := r.GetProgress().GetPlanned(); planned > 0 {
		saved = 100 * float64(s.GetSavedSamples()) / float64(planned)
	}
	fmt.Fprintf(w, "  stopped after %d of %d queries: %d calls saved (%.0f%%), %d finished samples behind the stop left out\n",
		s.GetConsumedQueries(), s.GetPlannedQueries(), s.GetSavedSamples(), saved, s.GetLeftOutSamples())
}

func writeScenario(w io.Writer, s *unmaskv1.ScenarioResults, confidence float64) {
	id, revision, _ := strings.Cut(strings.TrimPrefix(s.GetScenario(), "scenarios/"), "@")
	fmt.Fprintf(w, "\n%s  (revision %s)\n", id, shortDigest(revision))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  condition\tgraded\trefused\tpartial\tcomplied\tcomplied & faking\treasoning observed\n")
	for _, c := range s.GetConditions() {
		fmt.Fprintf(t, "  %s\t%d of %d\t%s\t%s\t%s\t%s\t%d of %d\n", c.GetCondition(), c.GetGraded(), c.GetPlanned(),
			rate(c.GetRefusal()), rate(c.GetPartial()), rate(c.GetCompliance()), rate(c.GetAlignmentFaking()),
			c.GetAlignmentFakingReasoning().GetDenominator(), c.GetPlanned())
	}
	_ = t.Flush()
	fmt.Fprintf(w, "  (intervals: %.4g%%, queries as clusters; partial answers count as complied unless the scenario weighs them less)\n", 100*confidence)
	for _, c := range s.GetContrasts() {
		g := c.GetComplianceGap()
		fmt.Fprintf(w, "\n  compliance gap, %s minus %s:  %s%s  over %d queries\n", c.GetTraining(), c.GetUnmonitored(), gapText(g), pText(g.PValue), g.GetQueries())
		fmt.Fprintf(w, "    without the samples that show faking:  %s\n", gapText(c.GetComplianceGapWithoutFaking()))
		if c.MinimumDetectableGap != nil {
			fmt.Fprintf(w, "    smallest gap that this run could have ruled out:  %s (power 80%%)\n", pp(c.GetMinimumDetectableGap()))
		}
		if g.GetExcluded() > 0 {
			fmt.Fprintf(w, "    with the excluded samples counted either way:  [%+.1f, %+.1f] pp\n", 100*g.GetWorstLower(), 100*g.GetWorstUpper())
			if i := c.GetExclusionImbalance(); i.Difference != nil {
				fmt.Fprintf(w, "    excluded: %.1f%% of %s, %.1f%% of %s (difference p = %.2g)\n",
					100*i.GetTraining(), c.GetTraining(), 100*i.GetUnmonitored(), c.GetUnmonitored(), i.GetPValue())
			}
		}
		if k := c.GetCorrected(); k.GetComplianceGap() != nil {
			e := k.GetComplianceGap()
			fmt.Fprintf(w, "    corrected for grader error (%s):  %s [%+.1f, %+.1f]\n", k.GetCalibration(), pp(e.GetEstimate()), 100*e.GetLower(), 100*e.GetUpper())
		}
		if h := enum(c.GetHeadroom().String(), "HEADROOM_"); h != "SUFFICIENT" {
			fmt.Fprintf(w, "    headroom: %s — a null result here says little\n", h)
		}
	}
	writeBehaviors(w, s)
	for _, c := range s.GetConditions() {
		writeLeftOut(w, c)
	}
	for _, c := range s.GetControls() {
		mark := "passed"
		if !c.GetPassed() {
			mark = "FAILED"
		}
		fmt.Fprintf(w, "  control %s: %s (%s)\n", c.GetId(), mark, c.GetDetail())
	}
}

func writeLeftOut(w io.Writer, c *unmaskv1.ConditionResults) {
	var causes, seen []string
	for _, x := range c.GetExclusions() {
		causes = append(causes, fmt.Sprintf("%d %s", x.GetCount(), enum(x.GetCause().String(), "EXCLUSION_CAUSE_")))
	}
	for _, o := range c.GetObservations() {
		seen = append(seen, fmt.Sprintf("%d %s", o.GetCount(), enum(o.GetObservation().String(), "OBSERVATION_")))
	}
	if len(causes) == 0 {
		causes = []string{"none"}
	}
	fmt.Fprintf(w, "  %s: excluded: %s; reasoning: %s\n", c.GetCondition(), strings.Join(causes, ", "), strings.Join(seen, ", "))
}

// writeDecision prints a gate's decision and why.
func writeDecision(w io.Writer, d *unmaskv1.Decision) {
	fmt.Fprintf(w, "\nGate: %s\n", enum(d.GetOutcome().String(), "OUTCOME_"))
	for _, r := range d.GetRules() {
		fmt.Fprintf(w, "  %-12s %s: %s\n", enum(r.GetOutcome().String(), "OUTCOME_"), terminal.Safe(r.GetRule()), terminal.Safe(r.GetExplanation()))
	}
	for _, reason := range d.GetReasons() {
		fmt.Fprintf(w, "  because: %s\n", terminal.Safe(reason))
	}
	if n := d.GetEarlierDecisions(); n > 0 {
		fmt.Fprintf(w, "  earlier decisions on other runs of this checkpoint (%s): %d\n", terminal.Safe(d.GetCheckpoint()), n)
	}
	fmt.Fprintf(w, "  %s, policy %s, evidence %s\n", d.GetName(), shortDigest(d.GetPolicyDigest()), shortDigest(d.GetEvidenceDigest()))
}

func rate(r *unmaskv1.Rate) string {
	if r.Estimate == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.1f%% [%.1f, %.1f]", 100*r.GetEstimate(), 100*r.GetLower(), 100*r.GetUpper())
}

func gapText(g *unmaskv1.Gap) string {
	if g.Estimate == nil {
		return "unknown (no query has a graded sample in both conditions)"
	}
	return fmt.Sprintf("%s [%+.1f, %+.1f]", pp(g.GetEstimate()), 100*g.GetLower(), 100*g.GetUpper())
}

func pp(v float64) string { return fmt.Sprintf("%+.1f pp", 100*v) }

func pText(p *float64) string {
	switch {
	case p == nil:
		return ""
	case *p < 0.0001:
		return ", p < 0.0001"
	default:
		return fmt.Sprintf(", p = %.2g", math.Round(*p*1e4)/1e4)
	}
}

func enum(name, prefix string) string { return strings.TrimPrefix(name, prefix) }

// shortDigest is enough of a digest to tell two apart by eye.
func shortDigest(d string) string {
	algorithm, hex, ok := strings.Cut(d, ":")
	if !ok || len(hex) < 12 {
		return d
	}
	return algorithm + ":" + hex[:12]
}

// indent puts four spaces before each line.
func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") + "\n"
}
