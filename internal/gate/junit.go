package gate

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Failure *junitDetail `xml:"failure"`
	Error   *junitDetail `xml:"error"`
	Output  string       `xml:"system-out,omitempty"`
}

type junitDetail struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the decision as JUnit XML: a test case for the decision as a
// whole and one for each rule. A Block is a failure and anything inconclusive an
// error, never a skipped test, because build servers count skipped tests as
// good. So the file is free of failures and errors on a Pass only. The error is
// that of w.
func WriteJUnit(w io.Writer, d Decision, s Subject) error {
	suite := junitSuite{Name: "unmask gate", Timestamp: d.DecidedAt.UTC().Format(time.RFC3339)}
	for _, p := range s.pairs() {
		suite.Properties = append(suite.Properties, junitProperty{p[0], line(p[1])})
	}
	suite.Properties = append(suite.Properties,
		junitProperty{"outcome", string(d.outcome())},
		junitProperty{"policy_digest", line(d.PolicyDigest)},
		junitProperty{"evidence_digest", line(d.EvidenceDigest)},
		junitProperty{"earlier_decisions", strconv.Itoa(d.EarlierDecisions)})
	reasons := make([]string, len(d.Reasons))
	for i, reason := range d.Reasons {
		reasons[i] = line(reason)
	}
	suite.add("decision", "the policy as a whole", d.outcome(), string(d.outcome()), d.outcome().verdict(),
		strings.Join(reasons, "\n"))
	for _, r := range d.Rules {
		suite.add(on(r), oneLine(r.Rule), r.Outcome, line(string(r.Reason)), line(r.Explanation), line(r.Explanation))
	}
	if err := writeXML(w, junitSuites{
		Name: suite.Name, Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Suite: suite,
	}); err != nil {
		return fmt.Errorf("write the gate's decision as JUnit XML: %w", err)
	}
	return nil
}

func (s *junitSuite) add(class, name string, outcome Outcome, kind, message, text string) {
	c := junitCase{Class: "unmask.gate." + class, Name: name}
	detail := &junitDetail{Type: kind, Message: message, Text: text}
	s.Tests++
	switch outcome {
	case Pass:
		c.Output = text
	case Block:
		s.Failures++
		c.Failure = detail
	default:
		s.Errors++
		c.Error = detail
	}
	s.Cases = append(s.Cases, c)
}

func writeXML(w io.Writer, v any) error {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append([]byte(xml.Header), append(body, '\n')...))
	return err
}
