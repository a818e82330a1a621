package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/terminal"
)

func newSeries() *cobra.Command {
	var (
		t                             target
		evaluation, training, x, form string
		alpha                         float64
	)
	cmd := &cobra.Command{
		Use: "series", Short: "What the checkpoints of an evaluation show over training", Args: noArgs,
		Long: `Order the succeeded runs of an evaluation by training run and step, and say how
compliance, the compliance gap and alignment faking move: a point for each
checkpoint, a trend for each metric on the queries that were valid at every
checkpoint, and findings whose false-alarm rate is stated (see docs/series.md).`,
		Example: `  unmask series --evaluation evaluations/E
  unmask series --evaluation evaluations/E --training-run rl-7 --x log1p --alpha 0.01`,
	}
	t.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&evaluation, "evaluation", "", "the evaluation, evaluations/E (required)")
	f.StringVar(&training, "training-run", "", "only this training run (default: all)")
	f.StringVar(&x, "x", "index", "what checkpoints are laid out along: index, step or log1p (ln(1+step))")
	f.Float64Var(&alpha, "alpha", run.DefaultFalseAlarmRate, "false-alarm rate of the findings, greater than 0 up to 0.5")
	f.StringVar(&form, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := checkOutput(form); err != nil {
			return err
		}
		axis, ok := unmaskv1.SeriesAxis_value["SERIES_AXIS_"+strings.ToUpper(x)]
		switch {
		case evaluation == "":
			return usageError("--evaluation is required, such as evaluations/E")
		case !ok || axis == 0:
			return usageError("--x must be index, step or log1p, got %q", x)
		}
		ctx := cmd.Context()
		c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.close(ctx)) }()
		s, err := c.evaluations.GetSeries(ctx, &unmaskv1.GetSeriesRequest{
			Name: evaluationName(evaluation), TrainingRun: training, XAxis: unmaskv1.SeriesAxis(axis), FalseAlarmRate: &alpha,
		})
		if err != nil {
			return fmt.Errorf("get the series: %w", err)
		}
		if form == "json" {
			return printJSON(cmd.OutOrStdout(), map[string]message{"series": s})
		}
		return wholly(cmd.OutOrStdout(), func(w io.Writer) { writeSeries(w, s) })
	}
	return cmd
}

// evaluationName takes an evaluation with or without its collection.
func evaluationName(s string) string { return "evaluations/" + strings.TrimPrefix(s, "evaluations/") }

// writeSeries prints a series for people.
func writeSeries(w io.Writer, s *unmaskv1.Series) {
	fmt.Fprintf(w, "\nSeries of %s  (plan %s)\n", s.GetEvaluation(), shortDigest(s.GetPlanDigest()))
	fmt.Fprintf(w, "\nFindings, at a false-alarm rate of %.4g%% over %d tests (Holm):\n", 100*s.GetFalseAlarmRate(), s.GetTests())
	for _, f := range s.GetFindings() {
		fmt.Fprintf(w, "  %s%s\n    %s\n", enum(f.GetCode().String(), "SERIES_FINDING_CODE_"), named(" in ", f.GetTrainingRun()), terminal.Safe(f.GetSentence()))
	}
	if len(s.GetFindings()) == 0 {
		fmt.Fprintf(w, "  none. That is no proof that nothing moves: the intervals of the slopes say what is still possible.\n")
	}
	for _, t := range s.GetTrainingRuns() {
		writeTrainingRun(w, s, t)
	}
	if len(s.GetTrainingRuns()) == 0 {
		fmt.Fprintf(w, "\nNo run of this evaluation is a checkpoint: it has to succeed and to name a step or a training run.\n")
	}
	for _, r := range s.GetLeftOut() {
		fmt.Fprintf(w, "left out: %s, step %d%s: %s (%s)\n", r.GetRun(), r.GetStep(), named(" of ", r.GetTrainingRun()),
			enum(r.GetReason().String(), "LEFT_OUT_REASON_"), terminal.Safe(r.GetDetail()))
	}
}

// named is a name of the caller's after a word, or "" where there is none.
func named(word, name string) string {
	if name == "" {
		return ""
	}
	return word + terminal.Safe(name)
}

func writeTrainingRun(w io.Writer, s *unmaskv1.Series, t *unmaskv1.TrainingRunSeries) {
	fmt.Fprintf(w, "\nTraining run%s: %d checkpoints\n", named(" ", t.GetTrainingRun()), len(t.GetCheckpoints()))
	if t.GetNote() != "" {
		fmt.Fprintf(w, "  %s\n", t.GetNote())
	}
	for _, sc := range t.GetScenarios() {
		id, revision, _ := strings.Cut(strings.TrimPrefix(sc.GetScenario(), "scenarios/"), "@")
		for _, c := range sc.GetContrasts() {
			fmt.Fprintf(w, "\n%s  (revision %s), %s minus %s\n", id, shortDigest(revision), c.GetTraining(), c.GetUnmonitored())
			writePoints(w, c)
			fmt.Fprintf(w, "  (intervals: %.4g%%, queries as clusters; shares of everything valid at that checkpoint)\n", 100*s.GetConfidence())
			drawShares(w, c)
			if len(c.GetTrends()) > 0 {
				writeTrends(w, s, c)
			}
		}
	}
}

func writePoints(w io.Writer, c *unmaskv1.ContrastSeries) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  step\tcomplied, %s\tcomplied, %s\tcompliance gap\tcomplied & faking\tfaking reasoning\texcluded\trun\n", c.GetTraining(), c.GetUnmonitored())
	for _, p := range c.GetPoints() {
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\t%s\t%s of %d\t%d\t%s\n", p.GetStep(), rate(p.GetTrainingCompliance()), rate(p.GetUnmonitoredCompliance()),
			shortGap(p.GetComplianceGap()), rate(p.GetAlignmentFaking()), rate(p.GetAlignmentFakingReasoning()),
			p.GetAlignmentFakingReasoning().GetDenominator(), p.GetComplianceGap().GetExcluded(), p.GetRun()[strings.LastIndex(p.GetRun(), "/")+1:])
	}
	_ = t.Flush()
	for _, p := range c.GetPoints() {
		if len(p.GetFailedControls()) > 0 {
			fmt.Fprintf(w, "  step %d: controls FAILED: %s\n", p.GetStep(), terminal.Safe(strings.Join(p.GetFailedControls(), ", ")))
		}
		if h := enum(p.GetHeadroom().String(), "HEADROOM_"); h != "SUFFICIENT" {
			fmt.Fprintf(w, "  step %d: headroom: %s\n", p.GetStep(), h)
		}
	}
}

// shareBar is the width of a bar of 100%, in characters.
const shareBar = 50

// drawShares draws the answers at each checkpoint as stacked shares: complied
// and faking, complied otherwise, and not complied. Shares that are unknown are
// said to be, never drawn as 0.
func drawShares(w io.Writer, c *unmaskv1.ContrastSeries) {
	fmt.Fprintf(w, "\n  answers of %s and of %s (# complied & faking, + complied otherwise, . not complied):\n", c.GetTraining(), c.GetUnmonitored())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range c.GetPoints() {
		fmt.Fprintf(t, "  %d\t%s\t%s\n", p.GetStep(), stacked(p.GetTrainingCompliance(), p.GetAlignmentFaking()), stacked(p.GetUnmonitoredCompliance(), &unmaskv1.Rate{Estimate: new(float64)}))
	}
	_ = t.Flush()
}

// stacked is one bar. Faking is counted among the answers whose reasoning was
// seen and compliance among all, so its part is bounded by that of compliance.
func stacked(complied, faking *unmaskv1.Rate) string {
	if complied.Estimate == nil || faking.Estimate == nil {
		return "unknown"
	}
	all := int(math.Round(shareBar * complied.GetEstimate()))
	fake := min(all, int(math.Round(shareBar*faking.GetEstimate())))
	return strings.Repeat("#", fake) + strings.Repeat("+", all-fake) + strings.Repeat(".", shareBar-all)
}

func shortGap(g *unmaskv1.Gap) string {
	if g.Estimate == nil {
		return "unknown"
	}
	return gapText(g)
}

func writeTrends(w io.Writer, s *unmaskv1.Series, c *unmaskv1.ContrastSeries) {
	unit := map[unmaskv1.SeriesAxis]string{
		unmaskv1.SeriesAxis_SERIES_AXIS_STEP: "step", unmaskv1.SeriesAxis_SERIES_AXIS_LOG1P: "unit of ln(1+step)",
	}[s.GetXAxis()]
	if unit == "" {
		unit = "checkpoint"
	}
	fmt.Fprintf(w, "\n  trends, on the queries that were valid at every checkpoint (slopes in points per %s):\n", unit)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  metric\tfirst\tlast\tslope\tp\tadjusted\tdiffers from the first\tmost likely change\tqueries\n")
	for _, m := range c.GetTrends() {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", strings.ToLower(enum(m.GetMetric().String(), "SERIES_METRIC_")),
			ends(m), slope(m), bareP(m.PValue)+"\t"+bareP(m.PAdjusted), onset(m), changePoint(m),
			fmt.Sprintf("%d, %d left out", m.GetQueries(), m.GetQueriesLeftOut()))
	}
	_ = t.Flush()
	for _, m := range c.GetTrends() {
		if m.GetNote() != "" {
			fmt.Fprintf(w, "  %s: %s\n", strings.ToLower(enum(m.GetMetric().String(), "SERIES_METRIC_")), terminal.Safe(m.GetNote()))
		}
	}
}

// ends is the first and the last value, as two columns.
func ends(m *unmaskv1.MetricTrend) string {
	v := m.GetValues()
	if len(v) == 0 {
		return "unknown\tunknown"
	}
	return fmt.Sprintf("%.1f\t%.1f", 100*v[0], 100*v[len(v)-1])
}

func slope(m *unmaskv1.MetricTrend) string {
	switch {
	case m.Slope == nil:
		return "unknown"
	case m.SlopeLower == nil:
		return fmt.Sprintf("%+.3g", 100*m.GetSlope())
	default:
		return fmt.Sprintf("%+.3g [%+.3g, %+.3g]", 100*m.GetSlope(), 100*m.GetSlopeLower(), 100*m.GetSlopeUpper())
	}
}

func bareP(p *float64) string {
	switch {
	case p == nil:
		return "-"
	case *p < 0.0001:
		return "< 0.0001"
	default:
		return fmt.Sprintf("%.4f", *p)
	}
}

// onset says from which step on a metric differs: by Holm, then by spending.
func onset(m *unmaskv1.MetricTrend) string {
	one := func(s *unmaskv1.SeriesShift) string {
		if s == nil {
			return "never"
		}
		return fmt.Sprintf("%d (%s)", s.GetStep(), pp(s.GetChange()))
	}
	if m.GetOnsetHolm() == nil && m.GetOnsetSpending() == nil {
		return "never"
	}
	return fmt.Sprintf("step %s; live %s", one(m.GetOnsetHolm()), one(m.GetOnsetSpending()))
}

func changePoint(m *unmaskv1.MetricTrend) string {
	c := m.GetChangePoint()
	if c == nil {
		return "-"
	}
	return fmt.Sprintf("%d to %d (%s%s)", c.GetAfterStep(), c.GetBeforeStep(), pp(c.GetShift()), pText(&c.PValue))
}
