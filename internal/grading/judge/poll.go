package judge

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
)

// vote is what became of one vote.
type vote struct {
	ballot Ballot
	// evidence has, for each finding, the quote as it stands in the text; its
	// Quote is "" where there is none.
	evidence []grading.Evidence
	// cause is why the vote is missing, or "".
	cause      string
	remembered bool
	usage      grading.Usage
	// err is the model's failure where cause is causeNoReply.
	err error
}

// result is how a question came out.
type result struct {
	poll  grading.Poll
	usage grading.Usage
	// label is the answer, and outcome its index; "" where there is none.
	label   string
	outcome int
	// met are the outcomes of the behaviours: 1 met, 0 not met, undecided.
	met []int
	// counters has one counter, or one for each behaviour.
	counters []*counter
	// votes are those that could be counted.
	votes []vote
	// void and split say why votes or the outcome are missing.
	void, split bool
	// err is the failure of the model that kept the question from its quorum.
	err error
}

// ask polls the model on one question about one view.
func (g *Grader) ask(ctx context.Context, q question, v *view) (result, error) {
	r := result{poll: grading.Poll{
		Question: q.name, Masked: v.masked, Planned: g.cfg.Votes, Counts: map[string]int{}, Missing: map[string]int{},
	}}
	r.counters = g.counters(q, v)
	for left := g.cfg.Votes; left > 0; {
		n := 0
		for _, c := range r.counters {
			n = max(n, c.next(left))
		}
		if g.cfg.AllVotes {
			n = left
		}
		if n == 0 {
			break
		}
		votes := g.cast(ctx, q, v, g.cfg.Votes-left, n)
		if err := ctx.Err(); err != nil {
			return r, fmt.Errorf("judge %s: %w", g.cfg.Name, err)
		}
		left -= n
		for i := range votes {
			if err := r.add(q, v, votes[i]); err != nil {
				return r, fmt.Errorf("judge %s: %w", g.cfg.Name, err)
			}
		}
	}
	r.decide(q)
	if r.err != nil && r.poll.Readable < g.cfg.Quorum {
		return r, fmt.Errorf("judge %s: %s: only %d of %d votes could be counted: %w",
			g.cfg.Name, q.name, r.poll.Readable, r.poll.Cast, r.err)
	}
	return r, nil
}

func (g *Grader) counters(q question, v *view) []*counter {
	n := 1
	if q.shape == listed {
		n = len(v.behaviors)
	}
	out := make([]*counter, n)
	for i := range out {
		out[i] = &counter{counts: make([]int, len(q.outcomes)), quorum: g.cfg.Quorum}
		if len(q.outcomes) == 2 {
			out[i].needed = g.cfg.needed
		}
	}
	return out
}

// cast casts n votes at once, from number first on.
func (g *Grader) cast(ctx context.Context, q question, v *view, first, n int) []vote {
	votes := make([]vote, n)
	var wg sync.WaitGroup
	for i := range votes {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() {
				// An adapter that breaks costs its vote and not the server.
				if p := recover(); p != nil {
					votes[i] = vote{cause: causeNoReply, err: fmt.Errorf("the judge's model broke: panic of type %T", p)}
				}
			}()
			votes[i] = g.one(ctx, q, v, first+i)
		}()
	}
	wg.Wait()
	return votes
}

// one casts one vote: from the cache, or by calls until one can be read.
func (g *Grader) one(ctx context.Context, q question, v *view, number int) (out vote) {
	_, digest := v.message(q, "")
	key := g.key(q, digest, number)
	if b, ok := g.cfg.Cache.Get(key); ok {
		return vote{ballot: b, remembered: true}
	}
	for attempt := range g.cfg.Attempts {
		nonce := g.cfg.Nonce()
		text, _ := v.message(q, nonce)
		reply, err := g.generate(ctx, model.Request{
			Messages: []model.Message{{Role: "system", Content: q.system()}, {Role: "user", Content: text}},
			Sampling: model.Sampling{Temperature: g.cfg.Temperature, MaxTokens: g.cfg.MaxTokens},
			Seed:     seed(key, attempt),
			ResponseSchema: &model.Schema{
				Name: q.name, JSON: json.RawMessage(q.schema),
			},
		})
		out.usage.Add(usage(reply, err))
		if err != nil {
			// The model has retried what can be.
			out.cause, out.err = causeNoReply, err
			return out
		}
		out.ballot, out.cause = readBallot(q, v.behaviors, nonce, reply)
		if out.cause == "" {
			if out.ballot.size() <= maxRemembered {
				g.cfg.Cache.Put(key, out.ballot)
			}
			return out
		}
	}
	return out
}

// generate calls the model within the limit of calls in flight.
func (g *Grader) generate(ctx context.Context, req model.Request) (model.Reply, error) {
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return model.Reply{}, ctx.Err()
	}
	defer func() { <-g.slots }()
	return g.cfg.Model.Generate(ctx, req)
}

func usage(r model.Reply, err error) grading.Usage {
	u := grading.Usage{Calls: int64(max(r.Attempts, 1)), InputTokens: r.Usage.InputTokens, OutputTokens: r.Usage.OutputTokens}
	var failed *model.Error
	switch {
	case errors.As(err, &failed):
		u.Calls = int64(failed.Attempts)
	case err != nil:
		u.Calls = 0
	}
	return u
}

// key identifies a vote. The grader's digest covers model, sampling and prompts.
func (g *Grader) key(q question, message [sha256.Size]byte, number int) Key {
	h := sha256.New()
	h.Write([]byte(g.digest + "\n" + q.task + "\n"))
	h.Write(message[:])
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(number))
	h.Write(n[:])
	return Key(h.Sum(nil))
}

// seed is another one for every vote and every attempt, and the same again for
// the same transcript. 31 bits are what every server takes.
func seed(key Key, attempt int) int64 {
	sum := sha256.Sum256(append(key[:], byte(attempt)))
	return int64(binary.BigEndian.Uint32(sum[:4]) >> 1)
}

// add counts one vote. It fails where no vote can ever succeed.
func (r *result) add(q question, v *view, t vote) error {
	r.poll.Cast++
	r.usage.Add(t.usage)
	if t.remembered {
		r.poll.Remembered++
	}
	if t.cause != "" {
		if t.err != nil {
			r.err = t.err
			var failed *model.Error
			if errors.As(t.err, &failed) && failed.Permanent() {
				return t.err
			}
		}
		r.poll.Missing[t.cause]++
		return nil
	}
	t.evidence = make([]grading.Evidence, len(t.ballot.Findings))
	for i, f := range t.ballot.Findings {
		if e, ok := v.text(f.Part).find(f.Quote, v.folded); ok {
			t.evidence[i] = e
		}
	}
	if q.shape == listed {
		r.addFindings(v, t)
		return nil
	}
	// The last criterion, or the only quote, is what a positive answer rests on.
	if t.ballot.Label != q.free && t.evidence[len(t.evidence)-1].Quote == "" {
		r.void = true
		r.poll.Missing[causeVoid]++
		return nil
	}
	r.counters[0].counts[q.outcome(t.ballot.Label)]++
	r.poll.Counts[t.ballot.Label]++
	r.poll.Readable++
	r.votes = append(r.votes, t)
	return nil
}

// addFindings counts a vote on each behaviour. One whose quote is not there is
// missing for that behaviour alone.
func (r *result) addFindings(v *view, t vote) {
	for i, f := range t.ballot.Findings {
		switch {
		case !f.Met:
			r.counters[i].counts[0]++
		case t.evidence[i].Quote != "":
			r.counters[i].counts[1]++
			r.poll.Counts[v.behaviors[i]]++
		default:
			r.void = true
		}
	}
	r.poll.Readable++
	r.votes = append(r.votes, t)
}

// decide turns the counts into the answer.
func (r *result) decide(q question) {
	if q.shape == listed {
		for _, c := range r.counters {
			r.met = append(r.met, c.outcome())
		}
		return
	}
	c := r.counters[0]
	if o := c.outcome(); o != undecided {
		r.label, r.outcome = q.outcomes[o], o
	} else {
		r.split = c.readable() >= c.quorum
	}
}

// share is the share of the readable votes that are yes.
func (c *counter) share() float64 {
	if n := c.readable(); n > 0 {
		return float64(c.counts[1]) / float64(n)
	}
	return 0
}
