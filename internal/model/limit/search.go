package limit

import (
	"math"
	"time"
)

// search looks for the number of calls in flight at which throughput stops rising.
//
// With n calls in flight all the time, throughput is n times the rate of one call
// (the work done for it, by its latency). So two neighbouring limits tell how much
// of an increase of n arrives as throughput, the elasticity
//
//	e = 1 + ln(rate2/rate1) / ln(n2/n1)
//
// 1 where the endpoint has room, 0 where every further call only waits. The knee is
// where e falls below 1/2. The search tries a limit above and one below the one it
// stands on, in steps that double with every success and halve with every failure,
// and rests for longer and longer when neither is better. It goes down only when the
// base, measured once more, is no better after all.
//
// Work is counted in tokens of the reply where the endpoint reports them, because
// replies of many lengths would drown what a step of a few per cent changes.
//
// A rate that falls by more than a quarter while the limit stands still means that
// the endpoint has become slower: the limit falls in proportion, and the search
// begins again from there.
//
// Only calls that began with the limit used up are looked at, so that a caller who
// wants little never moves it.
type search struct {
	limit, most int
	// part is the process's part of all calls in flight, or 0 where it is alone.
	part float64

	epoch int
	seq   int
	// samples are the calls of this epoch after those in which it settled.
	samples []sample
	// want is how many of them are looked at, missing how many of those are in
	// flight, and later how many others have ended.
	want, missing, later int

	// base is the limit that the search stands on; rate is 0 before it is measured.
	base point
	// direction is +1 or -1 while another limit is tried, and 0 at the base.
	direction int
	next      int
	step      int
	rest      int
	restFor   int
	starting  bool
	// ceiling is the limit that was refused last; beyond three quarters of it the
	// steps are small.
	ceiling int
	// back is the limit to go back to after one round, or 0.
	back int
	// lower is a limit below the base that seems as good, until the base is
	// measured again.
	lower point
	// doubted says that the base was found slower once.
	doubted bool
}

type point struct {
	n     int
	rate  float64
	error float64
}

type sample struct {
	work, seconds float64
	state         int8 // 0 in flight, 1 done, -1 lost
}

const (
	threshold = 0.5
	// leastSamples and mostRounds bound a measurement; a round is as many calls as
	// are in flight at once.
	leastSamples = 8
	mostRounds   = 8
	// slower is the share of its rate that a limit has to fall below to be cut.
	slower  = 0.75
	longest = 16
)

func newSearch(most int) *search {
	s := &search{most: most, starting: true, next: 1, restFor: 1}
	s.step = startLimit
	s.move(min(startLimit, most))
	return s
}

// minStep is the least step: one call, or a twentieth.
func minStep(n int) int { return max(1, (n+10)/20) }

// move sets the limit and begins to measure it.
func (s *search) move(n int) {
	s.limit = min(max(n, 1), s.most)
	s.again()
}

// again measures the same limit anew.
func (s *search) again() {
	s.epoch++
	s.seq, s.samples = 0, s.samples[:0]
	s.want, s.missing, s.later = s.round(), 0, 0
}

// started places a call that makes inFlight of them.
func (s *search) started(inFlight int) (epoch, seq int) {
	if inFlight < s.limit {
		return s.epoch, -1
	}
	s.seq++
	n := s.seq - s.limit // as many calls as fit in settle the new limit
	if n <= 0 {
		return s.epoch, -1
	}
	if len(s.samples) < 2*mostRounds*s.round() {
		if len(s.samples) < s.want {
			s.missing++
		}
		s.samples = append(s.samples, sample{})
		return s.epoch, n - 1
	}
	return s.epoch, -1
}

func (s *search) lost(epoch, seq int) {
	if epoch == s.epoch && seq >= 0 {
		s.ended(seq, sample{state: -1})
	}
}

func (s *search) finished(epoch, seq int, work float64, latency time.Duration) {
	if epoch != s.epoch || seq < 0 {
		return
	}
	s.ended(seq, sample{work: work, seconds: max(latency.Seconds(), 1e-9), state: 1})
}

// overloaded halves the limit, once for all calls that were in flight together.
func (s *search) overloaded(epoch int) {
	if epoch != s.epoch {
		return
	}
	s.ceiling, s.back, s.doubted, s.lower = s.limit, 0, false, point{}
	s.base, s.direction, s.next, s.rest, s.restFor = point{}, 0, 1, 0, 1
	s.step = max(minStep(s.limit), s.limit/8)
	s.starting = true
	s.move(s.limit / 2)
}

// innocent notes that a call was refused although it was the only one: how many
// were in flight was not the reason. Half of them still go first when the endpoint
// answers again, and if none is refused, all the others.
func (s *search) innocent() {
	if s.ceiling > s.limit {
		s.back = s.ceiling
	}
}

// look decides when enough calls of this epoch are known.
func (s *search) look() {
	for {
		if len(s.samples) < s.want {
			return
		}
		if !s.known() {
			return
		}
		if s.back > 0 {
			n := s.back
			s.back, s.ceiling, s.starting, s.step = 0, 0, false, minStep(n)
			s.move(n)
			return
		}
		p, ok := measure(s.samples[:s.want])
		p.n = s.limit
		most := mostRounds * s.round()
		if ok && (p.error <= s.tolerance() || s.want >= most) {
			s.decide(p)
			return
		}
		if s.want >= most { // every call was lost
			s.again()
			return
		}
		s.widen()
	}
}

// round is as many calls as are in flight at once, or a few more.
func (s *search) round() int { return max(s.limit, leastSamples) }

// ended notes what became of a call.
func (s *search) ended(i int, c sample) {
	s.samples[i] = c
	if i < s.want {
		s.missing--
	} else {
		s.later++
	}
	s.look()
}

// known reports whether the calls to look at have ended. The slow ones must not
// be left out, for they are what a limit beyond the knee makes; but a call that
// hangs must not stop the search, so after another round a few may be missing.
func (s *search) known() bool {
	return s.missing == 0 || s.missing <= s.want/leastSamples && s.later >= s.round()
}

// widen looks at a further round of calls.
func (s *search) widen() {
	s.want = min(s.want+s.round(), mostRounds*s.round())
	s.missing, s.later = 0, 0
	for i, c := range s.samples {
		switch {
		case i < s.want && c.state == 0:
			s.missing++
		case i >= s.want && c.state != 0:
			s.later++
		}
	}
}

// tolerance is the standard error at which two rates tell an elasticity of 0 from
// one of 1.
func (s *search) tolerance() float64 {
	far := float64(s.limit+minStep(s.limit)) / float64(s.limit)
	if s.direction != 0 {
		far = float64(s.limit) / float64(s.base.n)
	}
	return 0.15 * s.fraction() * math.Abs(math.Log(far))
}

// measure is the rate of one call and the relative standard error of it.
func measure(calls []sample) (point, bool) {
	var n, work, seconds float64
	counted := true
	for _, c := range calls {
		if c.state == 1 && c.work <= 0 {
			counted = false
		}
	}
	value := func(c sample) float64 {
		if counted {
			return c.work
		}
		return 1
	}
	for _, c := range calls {
		if c.state == 1 {
			n++
			work += value(c)
			seconds += c.seconds
		}
	}
	if n == 0 {
		return point{}, false
	}
	rate := work / seconds
	var squares float64
	for _, c := range calls {
		if c.state == 1 {
			d := value(c) - rate*c.seconds
			squares += d * d
		}
	}
	return point{rate: rate, error: math.Sqrt(squares) / work}, true
}

func (s *search) decide(p point) {
	switch s.direction {
	case 1:
		if elasticity(s.base, p) >= s.bar() {
			s.accept(p)
			return
		}
	case -1:
		if elasticity(p, s.base) < s.bar() {
			// The base may have been measured in a slow moment.
			s.lower, s.direction = p, 0
			s.move(s.base.n)
			return
		}
	default:
		s.atBase(p)
		return
	}
	s.reject()
}

// elasticity is the share of an increase from a to b that arrives as throughput.
func elasticity(a, b point) float64 {
	return 1 + math.Log(b.rate/a.rate)/math.Log(float64(b.n)/float64(a.n))
}

func (s *search) accept(p point) {
	s.base, s.rest, s.restFor = p, 0, 1
	if p.n > s.ceiling {
		s.ceiling = 0
	}
	most := p.n / 4
	if s.starting {
		most = p.n
	}
	s.step = max(min(s.step*2, most), minStep(p.n))
	if s.ceiling > 0 && s.direction > 0 && p.n+s.step > s.ceiling*3/4 {
		s.step = minStep(p.n)
	}
	s.try()
}

// reject goes back to the base: to try half the step, or, when that was the least,
// the other direction, or to rest.
func (s *search) reject() {
	smallest := s.step <= minStep(s.base.n)
	s.starting = false
	if smallest {
		if s.direction < 0 || s.base.n == 1 {
			s.restFor = min(s.restFor*2, longest)
			s.rest = s.restFor
		}
		s.next = -s.direction
	} else {
		s.step = max(s.step/2, minStep(s.base.n))
		s.next = s.direction
	}
	s.direction = 0
	s.move(s.base.n)
}

// atBase takes the newest measurement of the base, and leaves it to try another
// limit unless the search rests.
func (s *search) atBase(p point) {
	if lower := s.lower; lower.n > 0 {
		s.lower, s.direction = point{}, -1
		s.base.rate = max(s.base.rate, p.rate)
		if elasticity(lower, s.base) < s.bar() {
			s.accept(lower)
		} else {
			s.reject()
		}
		return
	}
	if old := s.base; old.rate > 0 && p.rate < slower*old.rate && old.rate-p.rate > 3*p.error*old.rate {
		s.cut(p, old)
		return
	}
	s.doubted = false
	s.base = p
	if s.rest > 0 {
		s.rest--
		s.again()
		return
	}
	s.direction = s.next
	s.try()
}

// cut lowers the limit of an endpoint that has become slower. It may have been a
// moment's slowness, so the first time it goes back after one round, and only when
// it is slow again the search begins anew from the lower limit.
func (s *search) cut(p, old point) {
	lower := int(float64(p.n) * p.rate / old.rate)
	if !s.doubted {
		s.doubted = true
		s.move(lower)
		s.back = p.n
		return
	}
	s.doubted = false
	s.base, s.rest, s.restFor, s.next, s.starting = point{}, 0, 1, 1, true
	s.step = max(minStep(p.n), p.n/8)
	s.move(lower)
}

// try moves to the next limit in the direction, or turns where there is none.
func (s *search) try() {
	n := s.base.n
	for range 2 {
		if to := min(max(n+s.direction*s.step, 1), s.most); to != n {
			s.move(to)
			return
		}
		s.direction, s.step = -s.direction, minStep(n)
	}
	s.direction = 0 // 1 is the least and the most
	s.again()
}
