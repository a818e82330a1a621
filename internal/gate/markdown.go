package gate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteMarkdown writes the decision as GitHub-flavored Markdown for the summary
// page of a build. Nothing in the decision or the subject can add markup, links
// or mentions to the page. The error is that of w.
func WriteMarkdown(w io.Writer, d Decision, s Subject) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Gate: %s\n\n%s.\n\n", d.outcome(), sentence(d.outcome().verdict()))
	for _, p := range s.pairs() {
		fmt.Fprintf(&b, "- %s: %s\n", sentence(p[0]), escaped(oneLine(p[1])))
	}
	if len(s.pairs()) > 0 {
		b.WriteString("\n")
	}
	if len(d.Rules) > 0 {
		b.WriteString("| Outcome | Rule | On | Estimate | Bounds | Max | Queries | Reason |\n")
		b.WriteString("|---|---|---|---:|---:|---:|---:|---|\n")
		for _, r := range d.Rules {
			fmt.Fprintf(&b, "| **%s** | %s | %s | %s | %s | %s | %d | %s |\n",
				escaped(oneLine(string(r.Outcome))), escaped(oneLine(r.Rule)), escaped(on(r)),
				r.estimate(), r.bounds(), r.threshold(), r.Queries, escaped(oneLine(string(r.Reason))))
		}
		b.WriteString("\n")
	}
	for _, reason := range d.Reasons {
		fmt.Fprintf(&b, "- %s\n", escaped(line(reason)))
	}
	if d.EarlierDecisions > 0 {
		fmt.Fprintf(&b, "\n%s\n", escaped(d.earlier()))
	}
	fmt.Fprintf(&b, "\nDecided at %s from policy `%s` and evidence `%s`.\n",
		d.DecidedAt.UTC().Format(time.RFC3339), code(d.PolicyDigest), code(d.EvidenceDigest))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the gate's decision as Markdown: %w", err)
	}
	return nil
}

// markup is every character that can begin markup inside a line. The mark of a
// mention is set apart with a space of no width, because mentions are looked
// for after escapes are resolved.
var markup = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `~`, `\~`, `|`, `\|`, `$`, `\$`,
	`[`, `\[`, `]`, `\]`, `<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`, `!`, `\!`, `://`, `\://`,
	`#`, "#\u200b", `@`, "@\u200b", `www.`, "www\\.",
)

// escaped makes one line of text harmless in the middle of a Markdown line.
func escaped(s string) string { return markup.Replace(s) }

// code makes a digest harmless between backticks.
func code(s string) string { return strings.ReplaceAll(oneLine(s), "`", "'") }

// sentence begins with a capital letter.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
