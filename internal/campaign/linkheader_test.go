package campaign

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinkHeaders(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		headers []string
		want    string
	}{
		"one":                                 {[]string{`</a?since=1>; rel="next"`}, "/a?since=1"},
		"no quotes":                           {[]string{`</a>;rel=next`}, "/a"},
		"several headers":                     {[]string{`</v>; rel="validate"`, `</a>; rel="next"`}, "/a"},
		"several links":                       {[]string{`</v>; rel="validate", </a>; rel="next",</c>; rel=count`}, "/a"},
		"several relations":                   {[]string{`</a>; rel="page next"`}, "/a"},
		"separators within the target":        {[]string{`</v?x=1,2;rel=next>; rel="validate", </a?since=b,c;d>; rel="next"`}, "/a?since=b,c;d"},
		"separators within a quoted value":    {[]string{`</v>; title="x, <y>; rel=next \" z"; rel=validate, </a>; rel=next`}, "/a"},
		"other parameters before it":          {[]string{`</a>; anchor; title=x ; REL = "Next"`}, "/a"},
		"only the first rel of a link counts": {[]string{`</a>; rel=validate; rel=next`}, ""},
		"the first of two wins":               {[]string{`</a>; rel=next, </b>; rel=next`}, "/a"},
		"a longer word is another":            {[]string{`</a>; rel="next-page"`}, ""},
		"none":                                {nil, ""},
		"broken off":                          {[]string{`</a; rel=next`}, ""},
		"a quotation that is not closed":      {[]string{`</a>; rel="next`}, "/a"},
		"no relation":                         {[]string{`</a>, </b>; rel=next`}, "/b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, linkTarget(http.Header{"Link": tt.headers}, "next"))
		})
	}
}

// FuzzLinkTarget: whatever comes, a target is a part of it, and ends.
func FuzzLinkTarget(f *testing.F) {
	f.Add(`</v>; rel="validate", </a?since=b,c;d>; rel="next"`)
	f.Add(`<a>;rel="\`)
	f.Fuzz(func(t *testing.T, s string) {
		target := linkTarget(http.Header{"Link": {s}}, "next")
		if !strings.Contains(s, target) || strings.Contains(target, ">") {
			t.Fatalf("%q is no target in %q", target, s)
		}
	})
}
