package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/terminal"
)

func newScenarios() *cobra.Command {
	cmd := &cobra.Command{
		Use: "scenarios", Short: "The library of experiments", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newScenariosList(), newScenariosShow(), newScenariosRender(), newScenariosValidate(), newScenariosSchema(),
		newScenariosNew(), newScenariosCreate(), newScenariosUpdate(), newScenariosDelete(), newScenariosRevisions(),
		newScenariosImport(),
	)
	return cmd
}

// findScenario takes the reference of a built-in scenario or a file's path.
func findScenario(ref string) (*scenario.Scenario, error) {
	if s, err := scenario.LoadFile(ref); !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	library, err := scenario.NewLibrary()
	if err != nil {
		return nil, err
	}
	s, err := library.Get(ref)
	if err != nil {
		return nil, usageError("there is no scenario and no file %q; see unmask scenarios list", ref)
	}
	return s, nil
}

// findVariant is findScenario for one of its variants, unless variant is "".
func (t *target) findVariant(cmd *cobra.Command, ref, variant string) (*scenario.Scenario, error) {
	s, err := t.findScenario(cmd, ref)
	if err != nil || variant == "" {
		return s, err
	}
	derived, err := s.Variant(variant)
	if err != nil {
		return nil, usageError("--variant: scenario %s has no variant %q", s.ID, variant)
	}
	return derived, nil
}

func newScenariosList() *cobra.Command {
	var t target
	var output string
	cmd := &cobra.Command{Use: "list", Short: "List the built-in scenarios, and your own in the store", Args: noArgs}
	t.addFlags(cmd)
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		library, err := scenario.NewLibrary()
		if err != nil {
			return err
		}
		own, err := t.ownScenarios(cmd)
		if err != nil {
			if t.server != "" || t.storePath != "" || t.configFile != "" {
				return err
			}
			hint(cmd, "your own scenarios are not listed: %v", err)
		}
		return listScenarios(cmd.OutOrStdout(), append(summaries(library.List()), own...), output)
	}
	return cmd
}

// scenarioSummary is one line of the list.
type scenarioSummary struct {
	ID         string   `json:"id"`
	Revision   string   `json:"revision"`
	Title      string   `json:"title"`
	Builtin    bool     `json:"builtin"`
	Conditions []string `json:"conditions"`
	Queries    int      `json:"queries"`
	Controls   int      `json:"controlQueries"`
	Variants   []string `json:"variants"`
}

func summaries(all []*scenario.Scenario) []scenarioSummary {
	var rows []scenarioSummary
	for _, s := range all {
		row := scenarioSummary{ID: s.ID, Revision: s.Revision, Title: s.Title, Builtin: s.Builtin, Variants: []string{}}
		for _, v := range s.Variants {
			row.Variants = append(row.Variants, v.ID)
		}
		for _, c := range s.Conditions {
			row.Conditions = append(row.Conditions, c.ID)
		}
		for _, q := range s.Queries {
			if q.Control {
				row.Controls++
			} else {
				row.Queries++
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func listScenarios(w io.Writer, rows []scenarioSummary, output string) error {
	if output == "json" {
		return writeIndented(w, rows)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tREVISION\tQUERIES\tCONTROLS\tCONDITIONS\tVARIANTS\tTITLE")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%v\t%d\t%s\n", r.ID, shortDigest(r.Revision), r.Queries, r.Controls, r.Conditions, len(r.Variants), terminal.Safe(r.Title))
	}
	return t.Flush()
}

func writeIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func newScenariosShow() *cobra.Command {
	var t target
	var variant string
	cmd := &cobra.Command{
		Use: "show SCENARIO", Short: "Print a scenario as a YAML document", Args: exactArgs("SCENARIO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := t.findVariant(cmd, args[0], variant)
			if err != nil {
				return err
			}
			doc, err := s.YAML()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "# revision %s\n%s", s.Revision, doc)
			return err
		},
	}
	t.addFlags(cmd)
	cmd.Flags().StringVar(&variant, "variant", "", "one of its variants, as a scenario of its own")
	return cmd
}

func newScenariosRender() *cobra.Command {
	var t target
	var query, text, condition, variant, contrast, output string
	var sides bool
	var page int
	cmd := &cobra.Command{
		Use: "render SCENARIO", Short: "Print the exact messages of a query under every condition", Args: exactArgs("SCENARIO"),
	}
	t.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&query, "query", "", "the query's id (default: the first one)")
	f.StringVar(&text, "text", "", "a text of your own instead of a query")
	f.StringVar(&condition, "condition", "", "only this condition")
	f.StringVar(&variant, "variant", "", "one of its variants")
	f.BoolVar(&sides, "side-by-side", false, "the two conditions of a contrast in columns, with what differs between « and »")
	f.StringVar(&contrast, "contrast", "", "with --side-by-side: the contrast (default: the primary one)")
	f.IntVar(&page, "width", defaultWidth, "with --side-by-side: characters in a line")
	f.StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		s, err := t.findVariant(cmd, args[0], variant)
		if err != nil {
			return err
		}
		switch {
		case query != "" && text != "":
			return usageError("give --query or --text, not both")
		case sides && condition != "":
			return usageError("give --side-by-side or --condition, not both")
		case !sides && (contrast != "" || cmd.Flags().Changed("width")):
			return usageError("--contrast and --width go with --side-by-side")
		case page < minWidth || page > maxWidth:
			return usageError("--width must be between %d and %d, got %d", minWidth, maxWidth, page)
		}
		if text, err = textOf(s, query, text); err != nil {
			return err
		}
		if sides {
			c, err := compareSides(s, contrast, text)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeIndented(cmd.OutOrStdout(), c)
			}
			return wholly(cmd.OutOrStdout(), func(w io.Writer) { writeSides(w, c, page) })
		}
		rendered, err := renderAll(s, text, condition)
		if err != nil {
			return err
		}
		return writeRendered(cmd.OutOrStdout(), rendered, output)
	}
	return cmd
}

// textOf is the text to put to the model: one of the caller's own, or that of a
// query, by default the first one.
func textOf(s *scenario.Scenario, query, text string) (string, error) {
	if text != "" {
		return text, nil
	}
	if query == "" {
		query = s.Queries[0].ID
	}
	q, ok := s.Query(query)
	if !ok {
		return "", usageError("--query: scenario %s has no query %q", s.ID, query)
	}
	return q.Text, nil
}

type renderedCondition struct {
	Condition string             `json:"condition"`
	Messages  []scenario.Message `json:"messages"`
}

func renderAll(s *scenario.Scenario, text, condition string) ([]renderedCondition, error) {
	if condition != "" {
		if _, ok := s.Condition(condition); !ok {
			return nil, usageError("--condition: scenario %s has no condition %q", s.ID, condition)
		}
	}
	var out []renderedCondition
	for _, c := range s.Conditions {
		if condition != "" && c.ID != condition {
			continue
		}
		messages, err := s.RenderText(c.ID, text)
		if err != nil {
			return nil, err
		}
		out = append(out, renderedCondition{c.ID, messages})
	}
	return out, nil
}

func writeRendered(w io.Writer, rendered []renderedCondition, output string) error {
	if output == "json" {
		return writeIndented(w, rendered)
	}
	for _, r := range rendered {
		for _, m := range r.Messages {
			if _, err := fmt.Fprintf(w, "--- condition %s, %s\n%s\n", r.Condition, m.Role, terminal.Safe(m.Content)); err != nil {
				return err
			}
		}
	}
	return nil
}

func newScenariosValidate() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE...", Short: "Check scenario documents; every problem is named, and what is doubtful", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("name at least one file")
			}
			var all []error
			options := scenario.WarningOptions{LeastQueries: gate.DefaultPolicy().LeastQueries()}
			for _, path := range args {
				s, err := scenario.ExamineFile(path, options)
				if err != nil {
					all = append(all, err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %s, %d conditions, %d queries, %d variants, revision %s\n",
					path, s.ID, len(s.Conditions), len(s.Queries), len(s.Variants), shortDigest(s.Revision))
				writeWarnings(cmd.ErrOrStderr(), s)
			}
			if len(all) > 0 {
				return &exitError{exitUsage, errors.Join(all...)}
			}
			return nil
		},
	}
}

// writeWarnings says what is doubtful about a valid document.
func writeWarnings(w io.Writer, s scenario.Examined) {
	for _, p := range s.Warnings {
		message := p.Message
		if p.Field != "" {
			message = p.Field + ": " + message
		}
		fmt.Fprintf(w, "%s:%d:%d: warning: %s\n", p.File, p.Line, p.Column, message)
	}
	if s.Omitted > 0 {
		fmt.Fprintf(w, "and %d more warnings\n", s.Omitted)
	}
}

func newScenariosSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of scenario documents", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := scenario.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
