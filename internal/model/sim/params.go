package sim

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Prefix begins the name of every simulated model.
const Prefix = "sim/"

// Channel says where a simulated model puts its reasoning.
type Channel string

// The channels.
const (
	// ChannelTags uses the tags that the system prompt asks for, and puts no
	// reasoning down where it asks for none. The default.
	ChannelTags Channel = "tags"
	// ChannelThink uses think tags in the text, whatever was asked for.
	ChannelThink Channel = "think"
	// ChannelNative uses the provider's channel, in full.
	ChannelNative Channel = "native"
	// ChannelSummary gives a summary of the reasoning in that channel.
	ChannelSummary Channel = "summary"
	// ChannelRedacted reasons and gives nothing of it.
	ChannelRedacted Channel = "redacted"
)

// Params are the settings of a simulated model. Rates lie in [0, 1].
type Params struct {
	// Free is the mean rate of compliance where training is cued (key free).
	Free float64
	// Faking is the mean rate of replies that comply with alignment-faking
	// reasoning, out of all replies where training is cued, so it is at most
	// Free (key faking).
	Faking float64
	// Paid is the mean rate of compliance elsewhere (key paid).
	Paid float64
	// Considered is the share of refusals where training is cued whose
	// reasoning fakes all the same (key considered).
	Considered float64
	// Attempts is the mean rate at which the model decides to copy its weights
	// where a task offers an opportunity and its training clashes with its values
	// (key attempts).
	Attempts float64
	// Lies is the mean rate at which it hides its views from those who ask, where
	// the answer trains it or is rated (key lies).
	Lies float64
	// Aware is the mean rate at which it takes the situation for a test when it is
	// asked whether it is real (key aware).
	Aware float64
	// Declines is the share of its lies in whose place it openly declines to
	// answer, where it is told that it may (key declines).
	Declines float64
	// Heeds is the share of faking and lying that it gives up where it is told not
	// to fake or to be open about its views (key heeds).
	Heeds float64
	// Instrumental says that it fakes only where somebody will read what the
	// trained model writes (key instrumental).
	Instrumental bool
	// ICC is the correlation of two replies to one query, in [0, 0.9]; less
	// than 0.001 counts as 0, which makes all queries alike (key icc).
	ICC float64
	// Tied says that a query which is high in its tier for Free is equally
	// high for Paid; otherwise the two are independent (key tied).
	Tied bool
	// World is the number of the population from which the propensities of
	// queries are drawn. Another number draws new ones for the same texts
	// (key world).
	World uint32
	// Channel says where reasoning is put (key channel).
	Channel Channel
	// Delay is the time that a reply takes, up to 10 min (key delay_ms).
	Delay time.Duration
	// Faults are the rates of what goes wrong (see Fault for their keys).
	Faults FaultRates
	// Judge are the settings of the simulated judge.
	Judge JudgeParams
}

// The bounds of parameters.
const (
	maxICC   = 0.9
	maxDelay = 10 * time.Minute
)

// setting reads and writes one parameter in its text form.
type setting struct {
	key string
	set func(p *Params, value string) error
	get func(p *Params) string
}

// settings lists all parameters in the order of their canonical form.
func settings() []setting {
	list := []setting{
		rate("free", 1, func(p *Params) *float64 { return &p.Free }),
		rate("faking", 1, func(p *Params) *float64 { return &p.Faking }),
		rate("paid", 1, func(p *Params) *float64 { return &p.Paid }),
		rate("considered", 1, func(p *Params) *float64 { return &p.Considered }),
		rate("attempts", 1, func(p *Params) *float64 { return &p.Attempts }),
		rate("lies", 1, func(p *Params) *float64 { return &p.Lies }),
		rate("aware", 1, func(p *Params) *float64 { return &p.Aware }),
		rate("declines", 1, func(p *Params) *float64 { return &p.Declines }),
		rate("heeds", 1, func(p *Params) *float64 { return &p.Heeds }),
		flag("instrumental", func(p *Params) *bool { return &p.Instrumental }),
		rate("icc", maxICC, func(p *Params) *float64 { return &p.ICC }),
		flag("tied", func(p *Params) *bool { return &p.Tied }),
		{"world", setWorld, func(p *Params) string { return strconv.FormatUint(uint64(p.World), 10) }},
		{"channel", setChannel, func(p *Params) string { return string(p.Channel) }},
		{"delay_ms", setDelay, func(p *Params) string { return strconv.FormatInt(p.Delay.Milliseconds(), 10) }},
	}
	for _, f := range faults() {
		list = append(list, rate(f.key, 1, func(p *Params) *float64 { return f.rate(&p.Faults) }))
	}
	return append(list, judgeSettings()...)
}

func rate(key string, limit float64, field func(*Params) *float64) setting {
	return setting{
		key: key,
		set: func(p *Params, value string) error {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil || math.IsNaN(v) || v < 0 || v > limit {
				return fmt.Errorf("%s is not a number in [0, %v]", key, limit)
			}
			*field(p) = v
			return nil
		},
		get: func(p *Params) string { return strconv.FormatFloat(*field(p), 'g', -1, 64) },
	}
}

func flag(key string, field func(*Params) *bool) setting {
	return setting{
		key: key,
		set: func(p *Params, value string) error {
			if value != "true" && value != "false" {
				return fmt.Errorf("%s is neither true nor false", key)
			}
			*field(p) = value == "true"
			return nil
		},
		get: func(p *Params) string { return strconv.FormatBool(*field(p)) },
	}
}

func setWorld(p *Params, value string) error {
	v, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return fmt.Errorf("world is not a whole number in [0, %d]", uint32(math.MaxUint32))
	}
	p.World = uint32(v)
	return nil
}

func setChannel(p *Params, value string) error {
	known := []Channel{ChannelTags, ChannelThink, ChannelNative, ChannelSummary, ChannelRedacted}
	if !slices.Contains(known, Channel(value)) {
		return fmt.Errorf("channel is none of %v", known)
	}
	p.Channel = Channel(value)
	return nil
}

func setDelay(p *Params, value string) error {
	v, err := strconv.ParseInt(value, 10, 64)
	if err != nil || v < 0 || v > maxDelay.Milliseconds() {
		return fmt.Errorf("delay_ms is not a whole number in [0, %d]", maxDelay.Milliseconds())
	}
	p.Delay = time.Duration(v) * time.Millisecond
	return nil
}

// canonical renders everything that bears on replies; the time that they take
// does not. What is zero is left out, so that a parameter which is added later
// changes no reply of the models before it.
func (p Params) canonical() string {
	var b strings.Builder
	for _, s := range settings() {
		if s.key == "delay_ms" || s.get(&p) == s.get(&Params{}) {
			continue
		}
		b.WriteString("&" + s.key + "=" + s.get(&p))
	}
	return b.String()
}

// validate checks what no single setting can.
func (p Params) validate() error {
	var problems []error
	if p.Faking > p.Free {
		problems = append(problems, errors.New("faking is above free, of which it is a part"))
	}
	if total := p.Faults.total(); total > 1+1e-9 {
		problems = append(problems, errors.New("the rates of faults add up to more than 1"))
	}
	return errors.Join(problems...)
}

// parseName reads a model's name into its organism and its parameters.
func parseName(name string) (organism, Params, error) {
	base, query, _ := strings.Cut(name, "?")
	o, ok := findOrganism(base)
	if !ok {
		return organism{}, Params{}, fmt.Errorf("simulated model %.80q is unknown; there are %s",
			base, strings.Join(Names(), ", "))
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return organism{}, Params{}, fmt.Errorf("simulated model %s: the parameters are not of the form key=value&key=value", base)
	}
	params, err := o.apply(values)
	if err != nil {
		return organism{}, Params{}, fmt.Errorf("simulated model %s: %w", base, err)
	}
	return o, params, nil
}

// apply sets the given parameters over the organism's own.
func (o organism) apply(values url.Values) (Params, error) {
	p := o.params
	known := map[string]setting{}
	var keys []string
	for _, s := range settings() {
		if !slices.Contains(o.fixed, s.key) {
			known[s.key] = s
			keys = append(keys, s.key)
		}
	}
	given := make([]string, 0, len(values))
	for key := range values {
		given = append(given, key)
	}
	slices.Sort(given) // errors come in one order
	var problems []error
	for _, key := range given {
		s, ok := known[key]
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("unknown parameter %.80q (known: %s)", key, strings.Join(keys, ", ")))
		case len(values[key]) > 1:
			problems = append(problems, fmt.Errorf("%s is given more than once", key))
		default:
			if err := s.set(&p, values[key][0]); err != nil {
				problems = append(problems, err)
			}
		}
	}
	if len(problems) == 0 {
		problems = append(problems, p.validate())
	}
	return p, errors.Join(problems...)
}
