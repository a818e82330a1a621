package limit

// Where several processes search for the knee of one endpoint, each sees the others'
// calls. With part s of the calls in flight, an increase by a small step brings
//
//	e' = 1 - s (1 - e)
//
// of it as throughput of one's own, for the rest is taken from the others: beyond
// the knee, where e is 0, still 1 - s. Judged by one's own throughput alone, three
// searches would all go up for ever. So e' is compared with a bar that rises as the
// part falls, and measured the more exactly.

// bar is the elasticity below which more calls at once do not pay. At the middle
// between room and none, 1 - s/2, the noise that the searches make for each other
// carries their sum upwards; 1 - s^2/2 leans against it.
func (s *search) bar() float64 {
	f := s.fraction()
	return 1 - f*f*(1-threshold)
}

// fraction is the part of the calls in flight that are the process's own.
func (s *search) fraction() float64 {
	if s.part <= 0 || s.part > 1 {
		return 1
	}
	return s.part
}

// place moves the search to a limit that was found elsewhere, from where it looks on
// in small steps.
func (s *search) place(n int) {
	s.ceiling, s.back, s.doubted, s.lower = 0, 0, false, point{}
	s.base, s.direction, s.next, s.rest, s.restFor = point{}, 0, 1, 0, 1
	s.starting = false
	s.step = minStep(n)
	s.move(n)
}
