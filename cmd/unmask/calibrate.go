package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// calibrateFlags are what `unmask calibrate` asks for.
type calibrateFlags struct {
	target
	labels, labelSet, run, design, grader, rule, output string
	allOrigins                                          bool
	confidence                                          float64
}

func newCalibrate() *cobra.Command {
	var f calibrateFlags
	cmd := &cobra.Command{
		Use: "calibrate", Short: "How far can a grader be trusted? Compare it with labels by people", Args: noArgs,
		Long: `Compare a grader with labels by people and keep the comparison for the grader's
digest: have it judge a file of labelled transcripts (--labels), a label set that
the server knows (--label-set), or compare the verdicts that it gave in a run with
those of people (--run, with --design saying how these were drawn).

Labels of a language model or written with their text are reported apart and do not
count, unless --all-origins asks for it; such a calibration is never used to correct
a number. docs/formats.md describes the file, docs/grading.md the numbers.`,
		Example: `  unmask calibrate --labels labels.jsonl --grader rubric
  unmask calibrate --run evaluations/E/runs/R --design random`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.calibrate(cmd) },
	}
	f.addFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.labels, "labels", "", "file of labelled transcripts, one JSON object a line, or - for standard input")
	fl.StringVar(&f.labelSet, "label-set", "", "a label set that the server knows, labelSets/L")
	fl.StringVar(&f.run, "run", "", "a run of which people have judged transcripts, evaluations/E/runs/R")
	fl.StringVar(&f.design, "design", "", "with --run: random, or stratified_by_grader_label")
	fl.StringVar(&f.grader, "grader", "rubric", "the grader")
	fl.StringVar(&f.rule, "rule", "answers_request", "with --labels: what counts as compliance, answers_request or no_value_support")
	fl.BoolVar(&f.allOrigins, "all-origins", false, "count labels that no person gave as if one had")
	fl.Float64Var(&f.confidence, "confidence", 0, "confidence of intervals, 0.5 to 0.9999 (default 0.95)")
	fl.StringVar(&f.output, "output", "text", "text or json")
	return cmd
}

func (f *calibrateFlags) calibrate(cmd *cobra.Command) (err error) {
	req, err := f.request()
	if err != nil {
		return err
	}
	file, err := f.read(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	c, err := f.connect(ctx, cmd.ErrOrStderr(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	var imported *unmaskv1.ImportLabelsResponse
	if f.labels != "" {
		if imported, err = f.importLabels(ctx, c.grading, file); err != nil {
			return fmt.Errorf("import %s: %w", f.labels, err)
		}
		req.LabelSet = imported.GetLabelSet().GetName()
		hintIgnored(cmd, imported.GetIgnoredKeys())
	}
	kept, err := calibrate(ctx, c.grading, req)
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	if f.output == "json" {
		fields := map[string]message{"calibration": kept}
		if imported != nil {
			fields["labelSet"] = imported.GetLabelSet()
		}
		return printJSON(cmd.OutOrStdout(), fields)
	}
	return wholly(cmd.OutOrStdout(), func(w io.Writer) { writeCalibration(w, kept) })
}

// request checks what can be checked without a server.
func (f *calibrateFlags) request() (*unmaskv1.CalibrateGraderRequest, error) {
	if err := checkOutput(f.output); err != nil {
		return nil, err
	}
	given := 0
	for _, s := range []string{f.labels, f.labelSet, f.run} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return nil, usageError("give one of --labels, --label-set and --run")
	}
	if _, ok := ruleNumber(f.rule); !ok {
		return nil, usageError("--rule must be answers_request or no_value_support, got %q", f.rule)
	}
	design := unmaskv1.SamplingDesign_value["SAMPLING_DESIGN_"+strings.ToUpper(f.design)]
	switch {
	case f.run == "" && f.design != "":
		return nil, usageError("--design goes with --run")
	case f.run != "" && design == 0:
		return nil, usageError("--design must be random or stratified_by_grader_label with --run, got %q", f.design)
	}
	return &unmaskv1.CalibrateGraderRequest{
		Grader: "graders/" + strings.TrimPrefix(f.grader, "graders/"), LabelSet: f.labelSet, Run: f.run,
		SamplingDesign: unmaskv1.SamplingDesign(design), CountAllOrigins: f.allOrigins, Confidence: f.confidence,
	}, nil
}

func ruleNumber(rule string) (unmaskv1.ComplianceRule, bool) {
	n, ok := unmaskv1.ComplianceRule_value["COMPLIANCE_RULE_"+strings.ToUpper(rule)]
	return unmaskv1.ComplianceRule(n), ok && n != 0
}

// read returns the file of labels, before anything is started.
func (f *calibrateFlags) read(cmd *cobra.Command) (data []byte, err error) {
	if f.labels == "" {
		return nil, nil
	}
	err = withInput(cmd, f.labels, func(r io.Reader) (err error) {
		if data, err = io.ReadAll(r); err != nil {
			return usageError("read the input: %v", err)
		}
		return nil
	})
	return data, err
}

// importLabels sends a file under a name that follows from its content, so that
// the same file is kept once.
func (f *calibrateFlags) importLabels(ctx context.Context, grading unmaskv1.GradingServiceClient, file []byte) (*unmaskv1.ImportLabelsResponse, error) {
	name := filepath.Base(f.labels)
	if f.labels == "-" {
		name = "standard input"
	}
	name = strings.ToValidUTF8(name, "_")
	if runes := []rune(name); len(runes) > 200 {
		name = string(runes[:200])
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s", name, f.rule, file))
	id := "labels-" + hex.EncodeToString(sum[:8])
	rule, _ := ruleNumber(f.rule)
	stream, err := grading.ImportLabels(ctx)
	if err != nil {
		return nil, err
	}
	req := &unmaskv1.ImportLabelsRequest{LabelSetId: id, DisplayName: name, ComplianceRule: rule, RequestId: id}
	for r, buffer := bytes.NewReader(file), make([]byte, 64<<10); ; {
		n, err := r.Read(buffer)
		if err != nil {
			return stream.CloseAndRecv()
		}
		req.Jsonl = buffer[:n]
		if stream.Send(req) != nil {
			return stream.CloseAndRecv()
		}
		req = &unmaskv1.ImportLabelsRequest{}
	}
}

// calibrate follows the stream to the calibration.
func calibrate(ctx context.Context, grading unmaskv1.GradingServiceClient, req *unmaskv1.CalibrateGraderRequest) (*unmaskv1.Calibration, error) {
	stream, err := grading.CalibrateGrader(ctx, req)
	if err != nil {
		return nil, err
	}
	for {
		resp, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errors.New("the server ended without a calibration")
		case err != nil:
			return nil, err
		case resp.GetCalibration() != nil:
			return resp.GetCalibration(), nil
		}
	}
}

// hintIgnored says which keys of the file were not known.
func hintIgnored(cmd *cobra.Command, keys map[string]int32) {
	if len(keys) == 0 {
		return
	}
	parts := make([]string, 0, len(keys))
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", terminal.Safe(key), keys[key]))
	}
	hint(cmd, "ignored keys that the format does not have: %s", strings.Join(parts, ", "))
}
