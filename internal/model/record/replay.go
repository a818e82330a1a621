package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/unmask-eval/unmask/internal/model"
)

// Replay is a model that answers from a recording, and never otherwise.
//
// Requests are equal when messages, sampling, seed and response schema are. The k-th
// of equal requests gets the k-th recorded answer, where those that were recorded for
// its own sample come first: so a run that is continued, or in which equal requests
// come in another order, gets for each sample what that sample got. A request that
// was not recorded, or not so often, is a NOT_FOUND, which ends a run.
type Replay struct {
	name, digest string
	truncated    bool
	count        int

	mu       sync.Mutex
	recorded map[[sha256.Size]byte][]*answer
}

type answer struct {
	sample  string
	reply   model.Reply
	failure *model.Error
	used    bool
}

var _ model.Model = (*Replay)(nil)

// Load reads a recording. With modelName, only the exchanges with the model that was
// recorded under that name are taken. Its errors name the line.
func Load(path, modelName string) (*Replay, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read the recording: %w", err)
	}
	defer func() { _ = f.Close() }()
	r, err := read(f, modelName)
	if err != nil {
		return nil, fmt.Errorf("read the recording %s: %w", path, err)
	}
	r.name = filepath.Base(path)
	return r, nil
}

func read(in io.Reader, modelName string) (*Replay, error) {
	r := &Replay{recorded: map[[sha256.Size]byte][]*answer{}}
	var names []string
	hash := sha256.New()
	number := 0
	err := eachLine(in, func(line []byte, whole bool) error {
		number++
		x, err := decodeLine(line)
		if err != nil {
			if !whole {
				r.truncated = true
				return nil
			}
			return fmt.Errorf("line %d: %w", number, err)
		}
		if !slices.Contains(names, x.name) {
			names = append(names, x.name)
		}
		if modelName != "" && x.name != modelName {
			return nil
		}
		key, err := digestOf(x.request)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		r.recorded[key] = append(r.recorded[key], &answer{sample: x.request.SampleID, reply: x.reply, failure: x.failure})
		r.count++
		hash.Write(line)
		hash.Write([]byte{'\n'})
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case r.count == 0 && modelName != "" && len(names) > 0:
		slices.Sort(names)
		return nil, fmt.Errorf("there is no exchange with a model %q; there are those with %s", modelName, strings.Join(names, ", "))
	case r.count == 0:
		return nil, errors.New("there is no exchange")
	}
	r.digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return r, nil
}

// Digest pins what the replay answers.
func (r *Replay) Digest() string { return r.digest }

// Exchanges is how many exchanges there are.
func (r *Replay) Exchanges() int { return r.count }

// Truncated says that the last line was cut and left out.
func (r *Replay) Truncated() bool { return r.truncated }

// Generate implements model.Model.
func (r *Replay) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	if err := ctx.Err(); err != nil {
		return model.Reply{}, fmt.Errorf("model call: %w", err)
	}
	key, err := digestOf(req)
	if err != nil {
		return model.Reply{}, &model.Error{Class: model.ClassBadRequest, Attempts: 1, Message: "the request cannot be looked up"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.recorded[key]
	if len(all) == 0 {
		return model.Reply{}, r.missing("has no exchange with these messages, sampling and seed; replay with the scenarios, the plan and the seed that were recorded")
	}
	a := next(all, req.SampleID)
	if a == nil {
		return model.Reply{}, r.missing(fmt.Sprintf("has this exchange %d time(s), and it was asked for once more", len(all)))
	}
	a.used = true
	if a.failure != nil {
		failure := *a.failure
		return model.Reply{}, &failure
	}
	return a.reply, nil
}

// next is the first unused answer to a sample, or else to any.
func next(all []*answer, sample string) *answer {
	var other *answer
	for _, a := range all {
		switch {
		case a.used:
		case a.sample == sample:
			return a
		case other == nil:
			other = a
		}
	}
	return other
}

func (r *Replay) missing(what string) error {
	return &model.Error{Class: model.ClassNotFound, Attempts: 1, Message: fmt.Sprintf("the recording %s %s", r.name, what)}
}
