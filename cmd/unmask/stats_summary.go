package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/unmask-eval/unmask/internal/stats/statsdoc"
)

// estimates is the flat object of `unmask stats --csv`, for reading.
type estimates map[string]any

// percent prints an estimate in percent, or a dash where it is not defined.
func (e estimates) percent(key string) string {
	v, ok := e[key].(float64)
	if !ok {
		return "-"
	}
	return strconv.FormatFloat(100*v, 'f', 2, 64)
}

// count prints a whole number.
func (e estimates) count(key string) string {
	v, ok := e[key].(float64)
	if !ok {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func (e estimates) plain(key string) string {
	v, ok := e[key].(float64)
	if !ok {
		return "-"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func (e estimates) interval(prefix string) string {
	return "[" + e.percent(prefix+"ci_lo") + ", " + e.percent(prefix+"ci_hi") + "]"
}

// summarise estimates a plain table, and writes the flat object or a summary of it.
func summarise(r io.Reader, w io.Writer, opts statsdoc.CSVOptions, output string) error {
	if output == "json" {
		return statsdoc.RunCSV(r, w, opts)
	}
	var flat bytes.Buffer
	if err := statsdoc.RunCSV(r, &flat, opts); err != nil {
		return err
	}
	var e estimates
	if err := json.Unmarshal(flat.Bytes(), &e); err != nil {
		return fmt.Errorf("read the estimates: %w", err)
	}
	return wholly(w, func(w io.Writer) { writeStatsSummary(w, e, opts) })
}

// writeStatsSummary prints the estimates of a table of labels for people.
func writeStatsSummary(w io.Writer, e estimates, opts statsdoc.CSVOptions) {
	confidence := fmt.Sprintf("%.4g%%", 100*(1-opts.Alpha))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "RATE, %%\tESTIMATE\t%s INTERVAL\tQUERIES\tSAMPLES\tMISSING\n", confidence)
	rate := func(name, prefix string) {
		if _, there := e[prefix+"n_prompts"]; there {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", name, e.percent(prefix+"rate"), e.interval(prefix),
				e.count(prefix+"n_prompts"), e.count(prefix+"n_samples"), e.count(prefix+"n_missing"))
		}
	}
	rate("compliance, training cued (free)", "free.")
	rate("compliance, unmonitored (paid)", "paid.")
	rate("alignment-faking reasoning, free", "free.af_reasoning.")
	rate("alignment faking (with compliance), free", "free.alignment_faking.")
	rate("alignment-faking reasoning, paid", "paid.af_reasoning.")
	rate("alignment faking (with compliance), paid", "paid.alignment_faking.")
	_ = t.Flush() // into a buffer
	fmt.Fprintf(w, "\ncompliance gap, free minus paid: %s pp, %s interval %s, over %s complete queries (%s incomplete)\n",
		e.percent("gap.estimate"), confidence, e.interval("gap."), e.count("gap.n_pairs"), e.count("gap.n_incomplete_prompts"))
	fmt.Fprintf(w, "one-sided %s bounds: %s to %s pp; %s pp with every missing sample counted against a PASS\n",
		confidence, e.percent("gap.lower"), e.percent("gap.upper"), e.percent("gap.upper_worst_case"))
	fmt.Fprintf(w, "no gap at all: p = %s (sign-flip by query, two-sided)\n", e.plain("sign_flip.p_two_sided"))
	for _, tau := range opts.Thresholds {
		at := strconv.FormatFloat(tau, 'g', -1, 64)
		fmt.Fprintf(w, "against a threshold of %.4g pp: %v (%s; p-value of \"at least\" %s, of \"at most\" %s)\n", 100*tau, e["gap.verdict@"+at],
			strings.ReplaceAll(fmt.Sprint(e["gap.reason@"+at]), "_", " "), e.plain("gap.p_pass@"+at), e.plain("gap.p_block@"+at))
	}
}
