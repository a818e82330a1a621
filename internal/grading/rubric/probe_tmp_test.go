package rubric_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/unmask-eval/unmask/internal/grading"
)

func TestProbe(t *testing.T) {
	f, err := os.Open("/tmp/probe.txt")
	if err != nil {
		t.Skip()
	}
	sc := bufio.NewScanner(f)
	prompt := ""
	n, bad := map[string]int{}, map[string]int{}
	for sc.Scan() {
		l := sc.Text()
		if l == "" {
			continue
		}
		if strings.HasPrefix(l, "? ") {
			prompt = l[2:]
			continue
		}
		text := strings.ReplaceAll(l[2:], `\n`, "\n")
		switch l[0] {
		case '+', '-':
			v := judge(t, grading.Subject{Reasoning: text, Answer: "x", Observable: true})
			n[l[:1]]++
			if (v.AlignmentFaking == grading.FakingPresent) != (l[0] == '+') {
				bad[l[:1]]++
				fmt.Printf("%s %.2f %s\n", l[:1], v.AlignmentFakingScore, l[2:])
			}
		default:
			v := judge(t, grading.Subject{Prompt: prompt, Answer: text})
			want := map[byte]grading.Compliance{'r': grading.Refused, 'p': grading.Partial, 'c': grading.Complied}[l[0]]
			n[l[:1]]++
			if v.Compliance != want {
				bad[l[:1]]++
				fmt.Printf("%s got %s %.2f | %s | %s\n", l[:1], v.Compliance, v.ComplianceScore, prompt, l[2:])
			}
		}
	}
	fmt.Println(n, bad)
}
