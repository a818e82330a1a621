package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/terminal"
)

func newScenariosRevisions() *cobra.Command {
	var t target
	var output string
	cmd := &cobra.Command{
		Use: "revisions ID", Short: "List the revisions of a scenario, the oldest first", Args: exactArgs("ID"),
		Example: `  unmask scenarios revisions my-experiment
  unmask scenarios show my-experiment@sha256:0123456789ab`,
	}
	t.addFlags(cmd)
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		rows, err := t.revisions(cmd, strings.TrimPrefix(args[0], scenarioPrefix))
		if err != nil {
			return err
		}
		return listRevisions(cmd.OutOrStdout(), rows, output)
	}
	return cmd
}

// revisionRow is one line of the list.
type revisionRow struct {
	Revision string `json:"revision"`
	Title    string `json:"title"`
	Queries  int    `json:"queries"`
	Controls int    `json:"controlQueries"`
	// CreateTime is when it was kept, in UTC; nil for a built-in scenario.
	CreateTime *time.Time `json:"createTime"`
	Current    bool       `json:"current"`
}

// revisions lists the revisions of a scenario of the store or of the server. What
// is built in needs neither, unless a server is asked for its own library.
func (t *target) revisions(cmd *cobra.Command, id string) (rows []revisionRow, err error) {
	if strings.Contains(id, "@") {
		return nil, usageError("revisions lists all of a scenario's; give its id alone, without @REVISION")
	}
	if t.server == "" {
		library, err := scenario.NewLibrary()
		if err != nil {
			return nil, err
		}
		if s, err := library.Get(id); err == nil {
			row := summaries([]*scenario.Scenario{s})[0]
			return []revisionRow{{Revision: row.Revision, Title: row.Title, Queries: row.Queries, Controls: row.Controls, Current: true}}, nil
		}
	}
	if !t.hasStore() {
		return nil, usageError("there is no scenario %q; see unmask scenarios list", id)
	}
	ctx := cmd.Context()
	c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	for token := ""; ; {
		page, err := c.scenarios.ListScenarioRevisions(ctx, &unmaskv1.ListScenarioRevisionsRequest{Name: scenarioPrefix + id, PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, fmt.Errorf("list revisions: %w", err)
		}
		for _, r := range page.GetRevisions() {
			row := revisionRow{
				Revision: r.GetRevision(), Title: r.GetTitle(), Current: r.GetCurrent(),
				Queries: int(r.GetQueryCount()), Controls: int(r.GetControlQueryCount()),
			}
			if kept := r.GetCreateTime(); kept != nil {
				at := kept.AsTime()
				row.CreateTime = &at
			}
			rows = append(rows, row)
		}
		if token = page.GetNextPageToken(); token == "" {
			return rows, nil
		}
	}
}

func listRevisions(w io.Writer, rows []revisionRow, output string) error {
	if output == "json" {
		return writeIndented(w, rows)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REVISION\tKEPT\tCURRENT\tQUERIES\tCONTROLS\tTITLE")
	for _, r := range rows {
		kept, current := "built in", ""
		if r.CreateTime != nil {
			kept = r.CreateTime.Format(time.RFC3339)
		}
		if r.Current {
			current = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\n", shortDigest(r.Revision), kept, current, r.Queries, r.Controls, terminal.Safe(r.Title))
	}
	return t.Flush()
}
