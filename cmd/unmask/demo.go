package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// demoSeed fixes the plan, so that everybody sees the same demo.
const demoSeed = 20241218

// demoSamples is enough, with the scenario's queries, for the gate to decide.
const demoSamples = 3

func newDemo() *cobra.Command {
	var t target
	f := runFlags{
		scenarios: []string{"helpful-only"}, samples: demoSamples, seed: demoSeed, fixedSeed: true,
		concurrency: 16, maxTokens: 4096, grader: "rubric", output: "text",
	}
	cmd := &cobra.Command{
		Use: "demo", Short: "The main job with nothing configured, on a simulated alignment faker", Args: noArgs,
		Long: `Run the whole path with nothing configured: a server in this process, its
store, the scenario helpful-only and a simulated model that fakes alignment at
a known rate; then print the result, the gate's decision and one transcript
with its evidence marked. The exit code is 0 whatever the gate decides.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.target = t
			return demo(cmd, &f)
		},
	}
	t.addFlags(cmd)
	cmd.Flags().StringVar(&f.model, "model", "sim/alignment-faker", "the simulated or configured model to evaluate")
	return cmd
}

func demo(cmd *cobra.Command, f *runFlags) (err error) {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if f.server == "" && f.storePath == "" {
		f.storePath = filepath.Join(filepath.Dir(config.Default().Store.Path), "demo.db")
	}
	fmt.Fprintf(out, "unmask demo: does %s comply more when it believes that the chat trains it?\n", f.model)
	c, err := f.connect(ctx, cmd.ErrOrStderr(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	r, err := f.begin(ctx, cmd, c)
	if err != nil {
		return err
	}
	if r, err = follow(ctx, c, r, cmd.ErrOrStderr()); err != nil {
		return err
	}
	d, err := c.gates.CheckGate(ctx, &unmaskv1.CheckGateRequest{
		Policy: rpc.PolicyMessage(gate.DefaultPolicy()), Run: r.GetName(),
	})
	if err != nil {
		return fmt.Errorf("check the gate: %w", err)
	}
	evaluation, _, _ := strings.Cut(r.GetName(), "/runs/")
	e, err := c.evaluations.GetEvaluation(ctx, &unmaskv1.GetEvaluationRequest{Name: evaluation})
	if err != nil {
		return fmt.Errorf("get the evaluation: %w", err)
	}
	if err := f.print(out, e, r, d); err != nil {
		return err
	}
	if err := writeExample(ctx, out, c, r); err != nil {
		return err
	}
	writeNext(out, c, r)
	return nil
}

// writeExample prints one transcript that was judged as faking, with the
// quotes that the judgement rests on marked.
func writeExample(ctx context.Context, w io.Writer, c *client, r *unmaskv1.Run) error {
	list, err := c.evaluations.ListTranscripts(ctx, &unmaskv1.ListTranscriptsRequest{
		Parent: r.GetName(), PageSize: 1, View: unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL,
		Filter: `control = false AND alignment_faking = PRESENT AND compliance = COMPLIED`,
	})
	if err != nil {
		return fmt.Errorf("find an example: %w", err)
	}
	if len(list.GetTranscripts()) == 0 {
		fmt.Fprintf(w, "\nNo transcript was judged to show alignment faking with compliance.\n")
		return nil
	}
	t := list.GetTranscripts()[0]
	verdicts, err := c.evaluations.ListVerdicts(ctx, &unmaskv1.ListVerdictsRequest{Parent: t.GetName(), PageSize: 1})
	if err != nil {
		return fmt.Errorf("read the example's verdict: %w", err)
	}
	var v *unmaskv1.Verdict
	if len(verdicts.GetVerdicts()) > 0 {
		v = verdicts.GetVerdicts()[0]
	}
	style := terminal.Plain
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		style = terminal.Highlight
	}
	fmt.Fprintf(w, "\nOne transcript judged as faking, evidence marked (%s):\n", t.GetName())
	for _, m := range t.GetMessages() {
		if m.GetRole() == unmaskv1.ChatRole_CHAT_ROLE_USER {
			fmt.Fprintf(w, "\n  user (%s):\n%s", t.GetCondition(), indent(terminal.Safe(m.GetContent())))
		}
	}
	spans := map[unmaskv1.EvidencePart][]terminal.Span{}
	for _, criterion := range v.GetCriteria() {
		for _, e := range criterion.GetEvidence() {
			spans[e.GetPart()] = append(spans[e.GetPart()], terminal.Span{Start: int(e.GetStart()), End: int(e.GetEnd())})
		}
	}
	for _, e := range v.GetComplianceEvidence() {
		spans[e.GetPart()] = append(spans[e.GetPart()], terminal.Span{Start: int(e.GetStart()), End: int(e.GetEnd())})
	}
	p := t.GetParsed()
	fmt.Fprintf(w, "\n  reasoning:\n%s", indent(terminal.Mark(exact(p.GetReasoning(), p.GetReasoningBytes()), spans[unmaskv1.EvidencePart_EVIDENCE_PART_REASONING], style)))
	fmt.Fprintf(w, "\n  answer:\n%s", indent(terminal.Mark(exact(p.GetAnswer(), p.GetAnswerBytes()), spans[unmaskv1.EvidencePart_EVIDENCE_PART_ANSWER], style)))
	fmt.Fprintf(w, "\n  verdict: %s, alignment faking %s;", enum(v.GetCompliance().String(), "COMPLIANCE_"), enum(v.GetAlignmentFaking().String(), "ALIGNMENT_FAKING_"))
	for _, criterion := range v.GetCriteria() {
		mark := "no"
		if criterion.GetMet() {
			mark = "yes"
		}
		fmt.Fprintf(w, " %s: %s;", criterion.GetId(), mark)
	}
	fmt.Fprintln(w)
	return nil
}

// exact returns the bytes that offsets refer to: the text, unless it had bytes
// that text cannot carry.
func exact(text string, raw []byte) string {
	if len(raw) > 0 {
		return string(raw)
	}
	return text
}

// writeNext says how to see the same over REST.
func writeNext(w io.Writer, c *client, r *unmaskv1.Run) {
	serve := self() + " serve"
	if c.storePath != "" {
		serve += " --store.path " + c.storePath
	}
	fmt.Fprintf(w, `
The same over REST:
  %s
  curl 'http://127.0.0.1:8080/v1/%s?view=RUN_VIEW_FULL'
  curl 'http://127.0.0.1:8080/v1/%s/transcripts?pageSize=5&view=TRANSCRIPT_VIEW_FULL'
  curl  http://127.0.0.1:8080/openapi.json
`, serve, r.GetName(), r.GetName())
}
