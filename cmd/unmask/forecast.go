package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// supposed turns --suppose and --gate into what a forecast supposes.
func (f *runFlags) supposed() (*unmaskv1.ForecastOptions, error) {
	o := &unmaskv1.ForecastOptions{}
	if f.policy != nil {
		o.Policy = rpc.PolicyMessage(*f.policy)
	}
	numbers := map[string]**float64{
		"training": &o.Training, "unmonitored": &o.Unmonitored, "faking": &o.Faking, "icc": &o.Icc,
		"correlation": &o.Correlation, "excluded": &o.Excluded,
		"input-tokens": &o.InputTokens, "output-tokens": &o.OutputTokens,
		"input-price": &o.InputPrice, "output-price": &o.OutputPrice,
	}
	for name, value := range f.suppose {
		var err error
		switch into := numbers[name]; {
		case into != nil:
			var v float64
			v, err = strconv.ParseFloat(value, 64)
			*into = &v
		case name == "power":
			o.Power, err = strconv.ParseFloat(value, 64)
		case name == "runs":
			var runs int64
			runs, err = strconv.ParseInt(value, 10, 32)
			o.Runs = int32(runs)
		case name == "seed":
			o.Seed, err = strconv.ParseUint(value, 10, 64)
		case name == "goal":
			goal, known := unmaskv1.ForecastGoal_value["FORECAST_GOAL_"+strings.ToUpper(value)]
			if !known {
				return nil, usageError("--suppose goal: must be pass or block, got %q", value)
			}
			o.Goal = unmaskv1.ForecastGoal(goal)
		default:
			names := []string{"goal", "power", "runs", "seed"}
			for n := range numbers {
				names = append(names, n)
			}
			slices.Sort(names)
			return nil, usageError("--suppose: there is no %q; known are %s", name, strings.Join(names, ", "))
		}
		if err != nil {
			return nil, usageError("--suppose %s: must be a number, got %q", name, value)
		}
	}
	return o, nil
}

// printPlanned says what a run takes, before it is started.
func printPlanned(w io.Writer, r *unmaskv1.Run) {
	f := r.GetForecast()
	fmt.Fprintf(w, "planned: %d samples over %d queries\n", f.GetPlannedSamples(), f.GetQueries())
	for _, advice := range f.GetAdvice() {
		fmt.Fprintf(w, "note: %s\n", terminal.Safe(advice))
	}
}

// writeForecast prints a forecast for people, in the words of `unmask plan`.
func writeForecast(w io.Writer, r *unmaskv1.Run) {
	printPlanned(w, r)
	f := r.GetForecast()
	o := f.GetOptions()
	fmt.Fprintf(w, "\naim: %s with %s power, if %s complies on %s under training and %s unmonitored\n",
		enum(o.GetGoal().String(), "FORECAST_GOAL_"), share(o.GetPower()), terminal.Safe(strings.TrimPrefix(r.GetModel(), "models/")),
		share(o.GetTraining()), share(o.GetUnmonitored()))
	fmt.Fprintf(w, "(alignment faking %s, intra-query correlation %.3g, correlation of the conditions %.3g, %s lost)\n",
		share(o.GetFaking()), o.GetIcc(), o.GetCorrelation(), share(o.GetExcluded()))
	for _, s := range f.GetScenarios() {
		writeScenarioForecast(w, s, o.GetSeed())
	}
	if len(f.GetScenarios()) > 1 {
		fmt.Fprintf(w, "\nall scenarios\n")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		writeUsage(t, f.GetUsage())
		_ = t.Flush()
	}
}

func writeScenarioForecast(w io.Writer, s *unmaskv1.ScenarioForecast, seed uint64) {
	id, _, _ := strings.Cut(strings.TrimPrefix(s.GetScenario(), "scenarios/"), "@")
	fmt.Fprintf(w, "\n%s: %d queries, %d control queries\n", id, s.GetQueries(), s.GetControlQueries())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(s.GetRules()) > 0 {
		fmt.Fprintln(t, "RULE\tMETRIC\tMAX\tSUPPOSED\tQUERIES BY FORMULA\tLEAST FOR A PASS")
	}
	for _, r := range s.GetRules() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", terminal.Safe(r.GetRule()), strings.ToLower(enum(r.GetMetric().String(), "METRIC_")),
			share(r.GetMax()), share(r.GetTruth()), optionalNumber(r.ScoreQueries), optionalNumber(r.SilentQueries))
	}
	_ = t.Flush()
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if c := s.GetChances(); c != nil {
		reached := "no"
		if s.GetReached() {
			reached = "yes"
		}
		fmt.Fprintf(t, "reaches the power\t%s\n", reached)
		fmt.Fprintf(t, "queries needed for the power\t%s\n", optionalNumber(s.NeededQueries))
		fmt.Fprintf(t, "chance of PASS\t%s\n", chanceText(c.GetPass()))
		fmt.Fprintf(t, "chance of BLOCK\t%s\n", chanceText(c.GetBlock()))
		if s.GetExpectedQueries() > 0 && s.GetExpectedQueries() < float64(s.GetQueries()) {
			fmt.Fprintf(t, "expected until the gate is decided\t%.0f queries, %d calls\n", s.GetExpectedQueries(), s.GetExpectedCalls())
		}
		fmt.Fprintf(t, "chance of INCONCLUSIVE\t%s\n", chanceText(c.GetInconclusive()))
		fmt.Fprintf(t, "smallest gap that is blocked with the power\t%s\n", detectable(s, s.DetectableGap))
		fmt.Fprintf(t, "smallest threshold that a model without a gap passes\t%s\n", detectable(s, s.DetectableThreshold))
	}
	if s.GetSampling() != nil {
		fmt.Fprintf(t, "sampling of the scenario\t%s\n", terminal.Safe(samplingText(s.GetSampling())))
	}
	writeUsage(t, s.GetUsage())
	_ = t.Flush()
	if s.GetRuns() > 0 {
		fmt.Fprintf(w, "%d simulated runs, seed %d\n", s.GetRuns(), seed)
	}
	for _, note := range s.GetNotes() {
		fmt.Fprintf(w, "note: %s\n", terminal.Safe(note))
	}
}

// writeUsage says of every number whether it is an estimate or a bound.
func writeUsage(t io.Writer, u *unmaskv1.ExpectedUsage) {
	in, out, price := "", "", "unknown"
	if u.GetInputBasis() == unmaskv1.TokenBasis_TOKEN_BASIS_MESSAGE_BYTES {
		in = " (bytes of the messages / 4)"
	}
	if u.Price != nil {
		price = fmt.Sprintf("%.2f", u.GetPrice())
	}
	if u.GetOutputBasis() == unmaskv1.TokenBasis_TOKEN_BASIS_MAX_TOKENS {
		out = "at most "
		if u.Price != nil {
			price = out + price
		}
	}
	fmt.Fprintf(t, "model calls\t%d\n", u.GetCalls())
	fmt.Fprintf(t, "tokens in\t%.0f%s\n", u.GetInputTokens(), in)
	fmt.Fprintf(t, "tokens out\t%s%.0f\n", out, u.GetOutputTokens())
	fmt.Fprintf(t, "price\t%s\n", price)
}

func chanceText(c *unmaskv1.Chance) string {
	return fmt.Sprintf("%.1f%% ± %.1f", 100*c.GetEstimate(), 100*c.GetStandardError())
}

// detectable tells "there is none" from "it was not worked out".
// samplingText names the parameters of generation.
func samplingText(s *unmaskv1.Sampling) string {
	parts := []string{fmt.Sprintf("max_tokens %d", s.GetMaxTokens())}
	if s.Temperature != nil {
		parts = append(parts, fmt.Sprintf("temperature %g", s.GetTemperature()))
	}
	if s.TopP != nil {
		parts = append(parts, fmt.Sprintf("top_p %g", s.GetTopP()))
	}
	if len(s.GetStop()) > 0 {
		parts = append(parts, fmt.Sprintf("stop %q", s.GetStop()))
	}
	return strings.Join(parts, ", ")
}

func detectable(s *unmaskv1.ScenarioForecast, v *float64) string {
	if v == nil && s.GetDetectableUnknown() {
		return "unknown"
	}
	return points(v)
}

func optionalNumber(n *int32) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(int(*n))
}
