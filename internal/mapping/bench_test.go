package mapping

import "testing"

// fifteen is a mapping of 15 fields as the example configuration has it.
func fifteen() Table {
	return table(
		Field{From: "emailaddress1", To: "email"}, Field{From: "firstname", To: "firstName"}, Field{From: "lastname", To: "lastName"},
		Field{From: "birthdate", To: "birthDate"}, Field{From: "createdon", To: "cusSeen"}, Field{From: "gendercode", To: "gender"},
		Field{From: "donotbulkemail", To: "blackList"}, Field{From: "numberofchildren", To: "cusLong"}, Field{From: "creditlimit", To: "cusDouble"},
		Field{From: "description", To: "cusText"}, Field{From: "latitude", To: "location.zip"}, Field{From: "lastname", To: "location.city"},
		Field{From: "ownerid", To: "cusMemo"}, Field{From: "statecode", To: "cusByte"}, Field{From: "versionnumber", To: "cusInt64"},
	)
}

const fifteenRow = `{"@odata.etag":"W/\"81359849\"","contactid":"6f1d0c2a-1111-2222-3333-444455556666","emailaddress1":"ann.lee@example.test",` +
	`"firstname":"Ann","lastname":"Leé","birthdate":"1985-08-17","createdon":"2025-03-31T21:59:01Z","modifiedon":"2025-04-07T21:59:01Z",` +
	`"gendercode":2,"donotbulkemail":false,"numberofchildren":2,"creditlimit":5000000.0000,"description":"met at the fair, wants a call",` +
	`"latitude":48.85661,"_ownerid_value":"00000000-1111-2222-3333-444455556666","statecode":0,"versionnumber":81359849}`

func BenchmarkMap15(b *testing.B) {
	m := mapperFor(b, fifteen())
	raw := []byte(fifteenRow)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnchanged15(b *testing.B) {
	m := mapperFor(b, fifteen())
	raw := []byte(fifteenRow)
	p, err := m.Map(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		now, err := m.Map(raw)
		if err != nil {
			b.Fatal(err)
		}
		last, err := ParsePayload(p.Canonical())
		if err != nil {
			b.Fatal(err)
		}
		if body, _ := now.Diff(last); body != nil {
			b.Fatal("differs")
		}
	}
}

func BenchmarkBody15(b *testing.B) {
	m := mapperFor(b, fifteen())
	p, err := m.Map([]byte(fifteenRow))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Body()
	}
}

func BenchmarkFingerprint15(b *testing.B) {
	m := mapperFor(b, fifteen())
	p, err := m.Map([]byte(fifteenRow))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Fingerprint()
	}
}
