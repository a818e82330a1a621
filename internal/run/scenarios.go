package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/scenario"
)

// Scenario is an entry of a project's library: a built-in experiment, or one
// that a user defined.
type Scenario struct {
	*scenario.Scenario
	// Project is "" for a built-in one. The times are zero for it, and for a
	// revision that outlives its scenario.
	Project string
	// CreateTime is the scenario's, whatever its revision, and UpdateTime when
	// its current revision became that.
	CreateTime, UpdateTime   time.Time
	RequestID, RequestDigest string
}

// ScenarioRevision is one revision of a scenario, without its content.
type ScenarioRevision struct {
	ScenarioRef
	Title string
	// Queries enter the estimates, and Controls do not.
	Queries, Controls int
	// CreateTime is when the revision was first kept; zero for a built-in one.
	CreateTime time.Time
	// Current marks the one that the scenario's id means without a revision.
	Current bool
}

// RevisionOf describes the revision that a scenario is.
func RevisionOf(s *scenario.Scenario) ScenarioRevision {
	r := ScenarioRevision{ScenarioRef: ScenarioRef{ID: s.ID, Revision: s.Revision}, Title: s.Title}
	for _, q := range s.Queries {
		if q.Control {
			r.Controls++
		} else {
			r.Queries++
		}
	}
	return r
}

// documentField is where a request holds a scenario's document.
const documentField = "document"

// NewScenario is what CreateScenario asks for.
type NewScenario struct {
	// Document is the scenario in YAML or JSON, with its queries.
	Document  string
	RequestID string
}

// CreateScenario keeps a scenario of a user under the id of its document.
// Problems of the document are an *InvalidError on "document", one violation
// each, and so is an id that is not free for users.
func (s *Service) CreateScenario(ctx context.Context, project string, in NewScenario) (Scenario, error) {
	sc, err := loadDocument(in.Document)
	if err != nil {
		return Scenario{}, err
	}
	switch isBuiltin, err := s.isBuiltin(sc.ID); {
	case err != nil:
		return Scenario{}, err
	case isBuiltin:
		return Scenario{}, documentFault(in.Document, "id", fmt.Sprintf("%q is a built-in scenario; choose another id", sc.ID))
	case scenario.Reserved(sc.ID):
		return Scenario{}, documentFault(in.Document, "id", `must not hold "--", which is kept for the variants of a scenario`)
	}
	now := s.deps.Now()
	kept := Scenario{Scenario: sc, Project: project, CreateTime: now, UpdateTime: now, RequestID: in.RequestID}
	if in.RequestID != "" {
		kept.RequestDigest = sc.Revision
	}
	return s.deps.Store.CreateUserScenario(ctx, kept)
}

// UpdateScenario gives a user's scenario the content of a document as its
// current revision. Problems are those of CreateScenario; a built-in scenario is
// a *StateError.
func (s *Service) UpdateScenario(ctx context.Context, project, id, document string) (Scenario, error) {
	if err := s.mayChange(id); err != nil {
		return Scenario{}, err
	}
	sc, err := loadDocument(document)
	if err != nil {
		return Scenario{}, err
	}
	if sc.ID != id {
		return Scenario{}, documentFault(document, "id", fmt.Sprintf("must be %q, the id of the scenario that is updated", id))
	}
	return s.deps.Store.UpdateUserScenario(ctx, project, sc, s.deps.Now())
}

// DeleteScenario removes a user's scenario. The snapshots that evaluations
// pinned stay. A built-in scenario is a *StateError.
func (s *Service) DeleteScenario(ctx context.Context, project, id string) error {
	err := s.deps.Store.DeleteUserScenario(ctx, project, id)
	if isNotFound(err) {
		// One whose id became a built-in scenario's can still be deleted.
		if readOnly := s.mayChange(id); readOnly != nil {
			return readOnly
		}
	}
	return err
}

// GetScenario returns a scenario by id or id@revision. A whole revision is also
// found among the snapshots that evaluations pinned.
func (s *Service) GetScenario(ctx context.Context, project, ref string) (Scenario, error) {
	found, err := s.findScenario(ctx, project, ref)
	if !isNotFound(err) {
		return found, err
	}
	id, revision, pinned := strings.Cut(ref, "@")
	if !pinned {
		return Scenario{}, err
	}
	snapshot, snapshotErr := s.deps.Store.GetScenario(ctx, project, ScenarioRef{ID: id, Revision: revision})
	switch {
	case isNotFound(snapshotErr):
		return Scenario{}, err
	case snapshotErr != nil:
		return Scenario{}, snapshotErr
	}
	return Scenario{Scenario: snapshot}, nil
}

// findScenario is the one place where the built-in scenarios and those of a
// project come together: an id names the built-in scenario, if there is one, and
// a revision whichever has it. A variant is one of its scenario's current
// revision.
func (s *Service) findScenario(ctx context.Context, project, ref string) (Scenario, error) {
	builtin, err := s.deps.Scenarios.Get(ref)
	if err == nil {
		return Scenario{Scenario: builtin}, nil
	}
	if !isNotFound(err) {
		return Scenario{}, err
	}
	id, revision, badRef := scenario.ParseRef(ref)
	if badRef != nil {
		return Scenario{}, err
	}
	base, variant, derived := scenario.SplitVariant(id)
	if !derived {
		return s.deps.Store.GetUserScenario(ctx, project, id, revision)
	}
	found, notFound := s.deps.Store.GetUserScenario(ctx, project, base, "")
	if notFound != nil {
		if isNotFound(notFound) {
			notFound = err
		}
		return Scenario{}, notFound
	}
	if found.Scenario, notFound = found.Variant(variant); notFound != nil || !strings.HasPrefix(found.Revision, revision) {
		return Scenario{}, err
	}
	return found, nil
}

// ListScenarios lists the scenarios of a project and the built-in ones in the
// order of their ids. Page.After is the last id of the page before.
func (s *Service) ListScenarios(ctx context.Context, project string, p Page) (items []Scenario, next string, err error) {
	own, err := s.deps.Store.ListUserScenarios(ctx, project, p.After, p.Size+1)
	if err != nil {
		return nil, "", err
	}
	more := len(own) > p.Size
	builtin := s.deps.Scenarios.List()
	for len(items) < p.Size && (len(own) > 0 || len(builtin) > 0) {
		switch {
		case len(builtin) > 0 && builtin[0].ID <= p.After:
			builtin = builtin[1:]
		case len(builtin) == 0 || len(own) > 0 && own[0].ID < builtin[0].ID:
			items, own = append(items, own[0]), own[1:]
		default:
			if len(own) > 0 && own[0].ID == builtin[0].ID {
				own = own[1:] // the id means the built-in one
			}
			items, builtin = append(items, Scenario{Scenario: builtin[0]}), builtin[1:]
		}
	}
	if len(items) > 0 && (more || len(own)+len(builtin) > 0) {
		next = items[len(items)-1].ID
	}
	return items, next, nil
}

// ListScenarioRevisions lists the revisions of a scenario, the oldest first.
func (s *Service) ListScenarioRevisions(ctx context.Context, project, id string, p Page) ([]ScenarioRevision, string, error) {
	builtin, err := s.deps.Scenarios.Get(id)
	switch {
	case isNotFound(err):
		return s.deps.Store.ListScenarioRevisions(ctx, project, id, p)
	case err != nil || p.After != "":
		return nil, "", err
	}
	only := RevisionOf(builtin)
	only.Current = true
	return []ScenarioRevision{only}, "", nil
}

// isBuiltin reports whether an id names a built-in scenario.
func (s *Service) isBuiltin(id string) (bool, error) {
	switch _, err := s.deps.Scenarios.Get(id); {
	case err == nil:
		return true, nil
	case isNotFound(err):
		return false, nil
	default:
		return false, err
	}
}

// mayChange returns a *StateError for the id of a built-in scenario.
func (s *Service) mayChange(id string) error {
	isBuiltin, err := s.isBuiltin(id)
	if err == nil && isBuiltin {
		err = &StateError{Name: ScenarioName(id), State: "built-in and read-only", Want: "a scenario that a user defined"}
	}
	return err
}

// loadDocument reads a user's document. All problems are violations of the
// field that holds it, with their places.
func loadDocument(document string) (*scenario.Scenario, error) {
	sc, err := scenario.Load("", []byte(document))
	var broken *scenario.Error
	if errors.As(err, &broken) {
		return nil, documentProblems(broken)
	}
	return sc, err
}

func documentFault(document, field, message string) error {
	return documentProblems(scenario.FieldError("", []byte(document), field, message))
}

func documentProblems(broken *scenario.Error) *InvalidError {
	out := &InvalidError{}
	for _, p := range broken.Problems {
		out.Violations = append(out.Violations, Violation{documentField, problemText(p)})
	}
	if broken.Omitted > 0 {
		out.Violations = append(out.Violations, Violation{documentField, fmt.Sprintf("has %d more problems", broken.Omitted)})
	}
	return out
}

// problemText is "line 3, column 5: id: must be ...", without what is not known.
func problemText(p scenario.Problem) string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", p.Line, p.Column)
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}
