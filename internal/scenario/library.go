package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed library/*.yaml library/*.jsonl
var builtin embed.FS

// ErrNotFound says that there is no scenario, or no revision, of that name.
var ErrNotFound = errors.New("scenario not found")

// ErrBadRef says that a reference is not of the form id or id@revision.
var ErrBadRef = errors.New("not a reference to a scenario")

// minRevisionDigits is the length of the shortest revision in a reference.
const minRevisionDigits = 12

// variantsSuffix ends the names of the files with variants that built-in
// scenarios include. They are no scenarios themselves.
const variantsSuffix = "-variants.yaml"

// Library holds the built-in scenarios, one revision of each. It does not
// change after NewLibrary and is safe for concurrent use. Scenarios of users
// live in a store beside it.
type Library struct {
	scenarios []*Scenario
}

// NewLibrary reads and validates the embedded scenarios. An error means that
// the binary was built from a broken library; it is an *Error in most cases.
func NewLibrary() (*Library, error) {
	folder, err := fs.Sub(builtin, "library")
	if err != nil {
		return nil, fmt.Errorf("built-in scenarios: %w", err)
	}
	return readLibrary(folder)
}

func readLibrary(folder fs.FS) (*Library, error) {
	names, err := fs.Glob(folder, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("built-in scenarios: %w", err)
	}
	l := &Library{}
	for _, name := range names {
		if strings.HasSuffix(name, variantsSuffix) {
			continue
		}
		s, err := LoadFS(folder, name)
		if err != nil {
			return nil, fmt.Errorf("built-in scenarios: %w", err)
		}
		if want := strings.TrimSuffix(path.Base(name), ".yaml"); s.ID != want {
			return nil, fmt.Errorf("built-in scenarios: %s has the id %q", name, s.ID)
		}
		s.Builtin = true
		l.scenarios = append(l.scenarios, s)
	}
	slices.SortFunc(l.scenarios, func(a, b *Scenario) int { return strings.Compare(a.ID, b.ID) })
	return l, nil
}

// List returns the scenarios, without their variants, in the order of their ids. The slice is the
// caller's; the scenarios are shared and must not be changed.
func (l *Library) List() []*Scenario { return slices.Clone(l.scenarios) }

// Get returns the scenario that a reference names: "helpful-only" for its only
// revision here, or "helpful-only@REVISION" for exactly that one (see
// ParseRef). "helpful-only--no-examples" is its variant, whose revision is its
// own. The scenario is shared and must not be changed. The error wraps
// ErrNotFound or ErrBadRef.
func (l *Library) Get(ref string) (*Scenario, error) {
	id, revision, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	base, variant, derived := SplitVariant(id)
	for _, s := range l.scenarios {
		if s.ID != base {
			continue
		}
		if derived {
			if s, err = s.Variant(variant); err != nil {
				return nil, err
			}
		}
		if strings.HasPrefix(s.Revision, revision) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNotFound, ref)
}

// Ref is the reference that names exactly this revision: id@revision.
func (s *Scenario) Ref() string { return s.ID + "@" + s.Revision }

// ParseRef splits a reference into a scenario's id and a revision. The part
// behind "@" is the revision, or its first 12 or more hexadecimal digits, with
// or without "sha256:". The revision returned is "" where the reference names
// none, and otherwise a prefix of Scenario.Revision. The error wraps ErrBadRef
// and never repeats a malformed reference.
func ParseRef(ref string) (id, revision string, err error) {
	id, revision, pinned := strings.Cut(ref, "@")
	if !idPattern.MatchString(id) {
		return "", "", fmt.Errorf("%w: the id must be 1 to 63 lower-case letters, digits and hyphens", ErrBadRef)
	}
	if !pinned {
		return id, "", nil
	}
	digits := strings.TrimPrefix(revision, "sha256:")
	if len(digits) < minRevisionDigits || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", "", fmt.Errorf("%w: the revision must be %d to 64 hexadecimal digits", ErrBadRef, minRevisionDigits)
	}
	return id, "sha256:" + digits, nil
}
