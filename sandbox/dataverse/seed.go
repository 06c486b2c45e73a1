package dataverse

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
)

var (
	onsets = []string{"Br", "Dr", "Gl", "Kv", "Pl", "Skr", "Tv", "Vr", "Zw", "Fj", "Hj", "Kn", "Mj", "Str", "Thr", "Wr"}
	vowels = []string{"a", "e", "i", "o", "u", "au", "ei", "oa", "ue", "ie"}
	codas  = []string{"lm", "ndt", "rsk", "xt", "bb", "gg", "mpf", "nk", "rz", "st", "tzk", "vl"}
	ends   = []string{"sen", "wick", "berg", "ovic", "etti", "anek", "quist", "fors", "oglu", "idze", "lund", "mark"}
	cities = []string{"Farsund", "Oberkirch", "Trebinje", "Lappeenranta", "Zaandijk", "Quimperle", "Bagheria", "Szentes", "Vimmerby", "Olhao"}
	street = []string{"Kestrelgate", "Brunnenweg", "Rue des Tilleuls", "Via Ortensia", "Strandvejen", "Calle Almendro"}
)

// name makes up a word of no language. If it is found in a log, personal data has
// leaked.
func name(rng *rand.Rand, end bool) string {
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	s := pick(onsets) + pick(vowels) + pick(codas)
	if end {
		return s + pick(vowels) + pick(ends)
	}
	return s + pick(vowels)
}

// SeedContacts adds n contacts, the same for the same seed.
func (s *Server) SeedContacts(n int, seed uint64) error {
	t := s.sets["contacts"]
	rng := rand.New(rand.NewPCG(seed, 0x5eed)) //nolint:gosec // made-up people
	now := s.o.Clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range n {
		var raw [16]byte
		for j := range raw {
			raw[j] = byte(rng.IntN(256))
		}
		raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
		key := uuid.UUID(raw).String()
		values := contact(rng, i)
		body, err := json.Marshal(values)
		if err != nil {
			return err
		}
		set, bad := t.parse(body, true, nil)
		if bad != nil {
			return fmt.Errorf("seeding contact %d: %w", i, bad)
		}
		if rng.IntN(20) == 0 { // inactive contacts are synchronised too (R15.1)
			set = append(set, assignment{t.byProp["statecode"], []byte("1")}, assignment{t.byProp["statuscode"], []byte("2")})
		}
		t.put(key, set, s.version.Add(1), now.Add(-48*time.Hour), salesUser, "")
	}
	return nil
}

func contact(rng *rand.Rand, i int) map[string]any {
	first, last := name(rng, false), name(rng, true)
	v := map[string]any{
		"firstname": first, "lastname": last,
		"emailaddress1":       strings.ToLower(fmt.Sprintf("%s.%s.%d@example.test", first, last, i)),
		"mobilephone":         fmt.Sprintf("+4790%08d", rng.IntN(100_000_000)),
		"address1_line1":      fmt.Sprintf("%s %d", street[rng.IntN(len(street))], 1+rng.IntN(200)),
		"address1_city":       cities[rng.IntN(len(cities))],
		"address1_postalcode": fmt.Sprintf("%05d", rng.IntN(100_000)),
		"jobtitle":            "Purser", "salutation": "Dr",
		"donotbulkemail": rng.IntN(10) == 0, "donotphone": rng.IntN(8) == 0, "donotpostalmail": rng.IntN(12) == 0,
	}
	if rng.IntN(4) > 0 {
		v["birthdate"] = fmt.Sprintf("%04d-%02d-%02d", 1940+rng.IntN(65), 1+rng.IntN(12), 1+rng.IntN(28))
	}
	if rng.IntN(3) > 0 {
		v["gendercode"] = 1 + rng.IntN(2)
	}
	if rng.IntN(2) == 0 {
		v["telephone1"] = fmt.Sprintf("+4721%08d", rng.IntN(100_000_000))
	}
	return v
}
