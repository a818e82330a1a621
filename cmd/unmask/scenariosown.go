package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// namesFile reports whether a reference is the path of a document: ids hold no
// dots.
func namesFile(ref string) bool {
	switch strings.ToLower(filepath.Ext(ref)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// loadOwn reads the document of a user's scenario with its query files, and
// checks what a server would refuse, so that the place is one in the user's file.
func loadOwn(path string) (*scenario.Scenario, error) {
	s, err := scenario.LoadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError("there is no file %q", path)
	}
	if err != nil {
		return nil, err
	}
	library, err := scenario.NewLibrary()
	if err != nil {
		return nil, err
	}
	var message string
	if _, err := library.Get(s.ID); err == nil {
		message = fmt.Sprintf("%q is a built-in scenario; choose another id", s.ID)
	} else if scenario.Reserved(s.ID) {
		message = `must not hold "--", which is kept for the variants of a scenario`
	}
	if message == "" {
		return s, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return nil, scenario.FieldError(path, data, "id", message)
}

// documentOf is the one document that a server is sent, queries included.
func documentOf(s *scenario.Scenario) (string, error) {
	document, err := s.YAML()
	if err != nil {
		return "", err
	}
	if len(document) > scenario.MaxBytes {
		return "", usageError("scenario %s has %d bytes with its query files; a server takes %d at most", s.ID, len(document), scenario.MaxBytes)
	}
	return string(document), nil
}

func (c *client) createScenario(ctx context.Context, s *scenario.Scenario) (*unmaskv1.Scenario, error) {
	document, err := documentOf(s)
	if err != nil {
		return nil, err
	}
	kept, err := c.scenarios.CreateScenario(ctx, &unmaskv1.CreateScenarioRequest{Scenario: &unmaskv1.Scenario{Document: document}})
	if err != nil {
		return nil, fmt.Errorf("create the scenario: %w", err)
	}
	return kept, nil
}

func (c *client) updateScenario(ctx context.Context, s *scenario.Scenario) (*unmaskv1.Scenario, error) {
	document, err := documentOf(s)
	if err != nil {
		return nil, err
	}
	kept, err := c.scenarios.UpdateScenario(ctx, &unmaskv1.UpdateScenarioRequest{Scenario: &unmaskv1.Scenario{Name: scenarioPrefix + s.ID, Document: document}})
	if err != nil {
		return nil, fmt.Errorf("update the scenario: %w", err)
	}
	return kept, nil
}

const scenarioPrefix = "scenarios/"

// keepScenario creates a scenario, or gives the one that there is this content,
// and returns its name with the revision.
func (c *client) keepScenario(ctx context.Context, s *scenario.Scenario) (string, error) {
	_, err := c.createScenario(ctx, s)
	if status.Code(errors.Unwrap(err)) == codes.AlreadyExists {
		_, err = c.updateScenario(ctx, s)
	}
	return scenarioPrefix + s.Ref(), err
}

// hasStore reports whether there is a server to ask, or a store to open, without
// making one.
func (t *target) hasStore() bool {
	if t.server != "" || t.storePath != "" {
		return true
	}
	cfg, err := config.Load(config.Source{File: t.configFile, Environ: os.Environ()})
	if err != nil {
		return true // whoever connects says what is wrong
	}
	if cfg.Postgres() {
		return true
	}
	_, err = os.Stat(cfg.SQLitePath())
	return err == nil
}

// findScenario takes a file's path, the reference of a built-in scenario, or of
// one in the store.
func (t *target) findScenario(cmd *cobra.Command, ref string) (s *scenario.Scenario, err error) {
	ref = strings.TrimPrefix(ref, scenarioPrefix)
	s, err = findScenario(ref)
	var exit *exitError
	if !errors.As(err, &exit) || namesFile(ref) || !t.hasStore() {
		return s, err
	}
	ctx := cmd.Context()
	c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	kept, err := c.scenarios.GetScenario(ctx, &unmaskv1.GetScenarioRequest{Name: scenarioPrefix + ref, View: unmaskv1.ScenarioView_SCENARIO_VIEW_DOCUMENT})
	if err != nil {
		return nil, fmt.Errorf("find the scenario: %w", err)
	}
	return scenario.Load(ref, []byte(kept.GetDocument()))
}

// ownScenarios lists the scenarios of users in the store, or none where there is
// no store.
func (t *target) ownScenarios(cmd *cobra.Command) (rows []scenarioSummary, err error) {
	if !t.hasStore() {
		return nil, nil
	}
	ctx := cmd.Context()
	c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	for token := ""; ; {
		list, err := c.scenarios.ListScenarios(ctx, &unmaskv1.ListScenariosRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, fmt.Errorf("list scenarios: %w", err)
		}
		for _, s := range list.GetScenarios() {
			if s.GetBuiltin() {
				continue
			}
			row := scenarioSummary{
				ID: strings.TrimPrefix(s.GetName(), scenarioPrefix), Revision: s.GetRevision(), Title: s.GetTitle(),
				Queries: int(s.GetQueryCount()), Controls: int(s.GetControlQueryCount()),
			}
			for _, c := range s.GetConditions() {
				row.Conditions = append(row.Conditions, c.GetId())
			}
			rows = append(rows, row)
		}
		if token = list.GetNextPageToken(); token == "" {
			return rows, nil
		}
	}
}

func newScenariosCreate() *cobra.Command {
	return keepCommand("create FILE", "Keep a scenario of your own, under the id of its document",
		func(ctx context.Context, c *client, s *scenario.Scenario) (*unmaskv1.Scenario, error) {
			return c.createScenario(ctx, s)
		})
}

func newScenariosUpdate() *cobra.Command {
	return keepCommand("update FILE", "Give a scenario of your own a new revision; runs on earlier ones go on with them",
		func(ctx context.Context, c *client, s *scenario.Scenario) (*unmaskv1.Scenario, error) {
			return c.updateScenario(ctx, s)
		})
}

func keepCommand(use, short string, keep func(context.Context, *client, *scenario.Scenario) (*unmaskv1.Scenario, error)) *cobra.Command {
	var t target
	var output string
	cmd := &cobra.Command{Use: use, Short: short, Args: exactArgs("FILE")}
	t.addFlags(cmd)
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkOutput(output); err != nil {
			return err
		}
		s, err := loadOwn(args[0])
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.close(ctx)) }()
		kept, err := keep(ctx, c, s)
		if err != nil {
			return err
		}
		if output == "json" {
			return printJSON(cmd.OutOrStdout(), map[string]message{"scenario": kept})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s@%s: %d conditions, %d queries, %d control queries\n", kept.GetName(), kept.GetRevision(),
			len(kept.GetConditions()), kept.GetQueryCount(), kept.GetControlQueryCount())
		return err
	}
	return cmd
}

func newScenariosDelete() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a scenario of your own; what runs asked stays on their record", Args: exactArgs("ID"),
	}
	t.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		ctx := cmd.Context()
		c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.close(ctx)) }()
		name := scenarioPrefix + strings.TrimPrefix(args[0], scenarioPrefix)
		if _, err := c.scenarios.DeleteScenario(ctx, &unmaskv1.DeleteScenarioRequest{Name: name}); err != nil {
			return fmt.Errorf("delete the scenario: %w", err)
		}
		return nil
	}
	return cmd
}

func newScenariosNew() *cobra.Command {
	var from, out string
	cmd := &cobra.Command{
		Use: "new ID", Short: "Write a commented document to begin a scenario with", Args: exactArgs("ID"),
		Example: `  unmask scenarios new my-scenario --out my-scenario.yaml
  unmask scenarios new my-scenario --from helpful-only > my-scenario.yaml`,
	}
	cmd.Flags().StringVar(&from, "from", "minimal", "minimal, or a built-in scenario whose prompts and conditions to begin with")
	cmd.Flags().StringVar(&out, "out", "", "file to write; one that exists is left alone (default: standard output)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		document, err := starter(from, args[0])
		if err != nil {
			return err
		}
		return writeNew(cmd.OutOrStdout(), out, document)
	}
	return cmd
}

func starter(from, id string) ([]byte, error) {
	if from == "minimal" {
		return scenario.MinimalStarter(id)
	}
	library, err := scenario.NewLibrary()
	if err != nil {
		return nil, err
	}
	s, err := library.Get(from)
	if err != nil {
		return nil, usageError("--from must be minimal or a built-in scenario, got %q; see unmask scenarios list", from)
	}
	return scenario.StarterFrom(s, id)
}

// writeNew writes a file that must not be there yet, or to w without a path.
func writeNew(w io.Writer, path string, data []byte) error {
	if path == "" {
		_, err := w.Write(data)
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a document for people to share
	if errors.Is(err, fs.ErrExist) {
		return usageError("%s exists already; choose another name, or delete it", path)
	}
	if err != nil {
		return usageError("write the file: %v", err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
