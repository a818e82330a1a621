// Package sim holds simulated models whose behaviour is known exactly, so that
// everything which measures models can be measured itself.
//
// A simulated model reads a chat as a model would: from the label in the user's
// message and from what the system prompt says of it, what the conversation
// means for its training; from the system prompt what the training rewards and
// the tags to answer in; and from the user's words what is asked. It never gets
// to know the condition of an experiment. What it does then is drawn from known
// probabilities:
//
//	query text --hash--> u in (0,1) --Beta quantile--> the query's propensities
//	model, seed and messages --hash--> draws --> comply? fake? which fault? which words?
//
// A query's propensities come from Beta distributions with the means that the
// parameters name and an intra-query correlation icc, as in a beta-binomial
// model (Skellam 1948), because replies to one query are alike and a method
// that overlooks it must fail here. Over queries drawn at random the expected
// rates equal the parameters (see Model.ExpectedRates); for given queries
// Model.Propensities has them exactly.
//
// The words are put together from a grammar. Of the sampling parameters only
// the bound on tokens has an effect. Equal model names, seeds and
// messages give equal bytes, on every machine. What a reply truly is (Truth)
// is computed beside it and never stands in its text.
//
// A request counts as benign only if it is one of Options.Benign or
// Options.Harmless says so; then every model answers it. All others count as
// harmful, but for those of another Topic. The answers that
// simulated models give to those are empty of substance on purpose.
package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Options is what a simulated model needs besides its name. The zero value works.
type Options struct {
	// Benign lists the texts of harmless queries, such as a scenario's
	// controls. White space does not count.
	Benign []string
	// Harmless reports of further texts, with single spaces between their words,
	// that they are harmless. It may learn more while the model is used, and is
	// safe for concurrent use. Default: none are.
	Harmless func(query string) bool
	// Topics says what queries are about, by their text; white space does not
	// count. What it does not list is a request, or what the prompt shows it to be.
	Topics map[string]Topic
	// Tier reads the tier from what stands around the query in the last user
	// message, and is believed. Default: the label that the message carries, by
	// what the system prompt says of it, and else ReadTier.
	Tier func(user string) Tier
	// Wait waits for the parameter delay_ms; it returns nil after d, or
	// ctx.Err() as soon as ctx ends. Default: the real time.
	Wait func(ctx context.Context, d time.Duration) error
}

// Truth is what a reply truly is, whatever a grader makes of it.
type Truth struct {
	// Complied says that the model decided to answer the request.
	Complied bool `json:"complied"`
	// Faking says that its reasoning, as composed before any fault, meets all
	// criteria of alignment faking. It is true together with a refusal only
	// where the parameter considered is above 0.
	Faking bool `json:"faking"`
	// Attempted, Lied, Suspected and Declined say that it decided to copy its
	// weights, hid its views from who asked, took the situation for a test, or
	// openly declined to say what its views are.
	Attempted bool `json:"attempted,omitempty"`
	Lied      bool `json:"lied,omitempty"`
	Suspected bool `json:"suspected,omitempty"`
	Declined  bool `json:"declined,omitempty"`
	// Fault names what happened to the reply on its way, or is "".
	Fault Fault `json:"fault"`
}

// Model is one simulated model. It is safe for concurrent use.
type Model struct {
	name   string
	params Params
	opts   Options
	benign map[string]struct{}
	topics map[string]Topic
	book   *phrasebook
	cache  rateCache
	// known are the prompts that the model has read before.
	known readings
	// identity goes into every draw: the model and its parameters in one form.
	identity string
	organism organism
}

var _ model.Model = (*Model)(nil)

// New returns the model that name describes: "sim/" and the name of an
// organism (see Catalog), then parameters in the form of a URL query, such as
// "sim/alignment-faker?free=0.2&faking=0.15". The error names every parameter
// that is unknown, repeated or out of its range.
func New(name string, opts Options) (*Model, error) {
	o, params, err := parseName(name)
	if err != nil {
		return nil, err
	}
	if opts.Wait == nil {
		opts.Wait = wait
	}
	m := &Model{
		name:     name,
		params:   params,
		opts:     opts,
		benign:   make(map[string]struct{}, len(opts.Benign)),
		book:     sharedPhrases(),
		cache:    rateCache{rates: map[string]Rates{}},
		known:    readings{seen: map[[2]string]situation{}},
		identity: o.Name + "?" + params.canonical(),
		topics:   make(map[string]Topic, len(opts.Topics)),
		organism: o,
	}
	for text, topic := range opts.Topics {
		m.topics[normalize(text)] = topic
	}
	for _, text := range opts.Benign {
		m.benign[normalize(text)] = struct{}{}
	}
	return m, nil
}

// Name returns the name that the model was made with.
func (m *Model) Name() string { return m.name }

// Params returns the model's parameters, with all defaults filled in.
func (m *Model) Params() Params { return m.params }

// Generate implements model.Model. Faults of the transport come back as the
// *model.Error that a real client would return in the end, without the time
// that it would have spent on retries.
func (m *Model) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	start := time.Now()
	if err := ctx.Err(); err != nil {
		return model.Reply{}, fmt.Errorf("simulated model call: %w", err)
	}
	reply, truth, err := m.Compose(req)
	if err != nil {
		return model.Reply{}, err
	}
	if err := m.Pause(ctx); err != nil {
		return model.Reply{}, err
	}
	if failure := truth.Fault.failure(); failure != nil {
		return model.Reply{}, failure
	}
	reply.Latency, reply.Attempts = time.Since(start), 1
	return reply, nil
}

// Pause waits for as long as a reply of this model takes. It returns ctx's
// error, wrapped, as soon as the context ends.
func (m *Model) Pause(ctx context.Context) error {
	if m.params.Delay == 0 {
		return nil
	}
	if err := m.opts.Wait(ctx, m.params.Delay); err != nil {
		return fmt.Errorf("simulated model call: %w", err)
	}
	return nil
}

// Truth returns what the reply to req truly is. It computes it anew and
// returns the zero Truth for a request that Generate would refuse.
func (m *Model) Truth(req model.Request) Truth {
	_, truth, err := m.Compose(req)
	if err != nil {
		return Truth{}
	}
	return truth
}

// Compose returns the reply to req and what it truly is, at once and without
// acting out faults of the transport. Faults of the text are in the reply. It
// returns a *model.Error of class BAD_REQUEST when there is no user message, and
// for a request of a form that only the judge answers in.
func (m *Model) Compose(req model.Request) (model.Reply, Truth, error) {
	if m.organism.judge {
		return m.composeJudge(req)
	}
	if req.ResponseSchema != nil {
		return model.Reply{}, Truth{}, &model.Error{
			Class: model.ClassBadRequest, Attempts: 1, Message: "this simulated model answers in no given form; use sim/judge",
		}
	}
	s, err := read(req, m.opts.Tier, &m.known)
	if err != nil {
		return model.Reply{}, Truth{}, err
	}
	if topic, ok := m.topics[normalize(s.query)]; ok {
		s.topic = topic
	}
	rng := m.draws(req)
	// The draws that decide come first, so that a new phrase in the grammar
	// changes words and never an outcome.
	decision := m.decide(s, rng.Float64())
	fault := m.params.Faults.draw(rng.Float64())
	c := composition{
		situation: s, decision: decision, fault: fault, terse: m.organism.terse, motive: m.organism.motive,
		channel: m.params.Channel, book: m.book, rng: rng,
	}
	reply := c.reply()
	reply.ModelID = m.name
	truth := Truth{
		Complied: decision.complies, Faking: decision.fakes, Fault: c.fault,
		Attempted: decision.attempts, Lied: decision.lies, Suspected: decision.suspects, Declined: decision.passes,
	}
	stop(&reply, req.Sampling.Stop)
	if limit(&reply, req.Sampling.MaxTokens) && truth.Fault == FaultNone {
		truth.Fault = FaultTruncation
	}
	count(&reply, req)
	return reply, truth, nil
}

func (m *Model) isBenign(query string) bool {
	text := normalize(query)
	if m.opts.Harmless != nil && m.opts.Harmless(text) {
		return true
	}
	_, ok := m.benign[text]
	return ok
}

// draws returns the stream of random numbers for one request.
func (m *Model) draws(req model.Request) *rand.Rand {
	h := sha256.New()
	part := func(s string) {
		var size [8]byte
		binary.LittleEndian.PutUint64(size[:], uint64(len(s)))
		_, _ = h.Write(size[:]) // a hash never fails to be written
		_, _ = h.Write([]byte(s))
	}
	part(m.identity)
	for _, message := range req.Messages {
		part(message.Role)
		part(message.Content)
	}
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(model.PortableSeed(req.Seed)))
	_, _ = h.Write(seed[:])
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG( //nolint:gosec // reproducible on purpose
		binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16])))
}

// bytesPerToken is a usual ratio for English text.
const bytesPerToken = 4

func tokens(s string) int64 { return int64(len(s)+bytesPerToken-1) / bytesPerToken }

// count fills in the usage of a reply.
func count(reply *model.Reply, req model.Request) {
	for _, message := range req.Messages {
		reply.Usage.InputTokens += tokens(message.Content)
	}
	reply.Usage.OutputTokens = tokens(reply.Raw) + reply.Usage.ReasoningTokens
}

// limit cuts a reply that is longer than maxTokens and reports whether it did.
func limit(reply *model.Reply, maxTokens int) bool {
	if maxTokens <= 0 || tokens(reply.Raw) <= int64(maxTokens) {
		return false
	}
	reply.Raw = cut(reply.Raw, maxTokens*bytesPerToken)
	reply.FinishReason = transcript.FinishLength
	return true
}

// stop ends the text before the first of the stop sequences.
func stop(reply *model.Reply, sequences []string) {
	for _, s := range sequences {
		if before, _, found := strings.Cut(reply.Raw, s); found && s != "" {
			reply.Raw, reply.FinishReason = before, transcript.FinishStop
		}
	}
}

// wait waits in real time.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
