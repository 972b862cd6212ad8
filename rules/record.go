package rules

// Records are large, and the log keeps them apart from what it knows of an event:
// who evaluates many events asks first which of them have to be read with their
// records.

// probe is an event whose record is not at hand. It notes whether it was asked
// for.
type probe struct {
	Facts
	asked bool
}

func (p *probe) Raw() []byte {
	p.asked = true
	return nil
}

// Fact tells what the event says. What came before it is known to who evaluates, and
// not yet to who reads: a rule that goes by it may look into the record.
func (p *probe) Fact(f Field) Value {
	p.asked = p.asked || f.history()
	return p.Facts.Fact(f)
}

// readsRecord reports whether the program may look into the record.
func (p *program) readsRecord() bool {
	for _, ref := range p.refs {
		if ref.kind == refRecord || ref.kind == refCADF {
			return true
		}
	}
	return false
}

// NeedsRecord reports whether Evaluate would look into the record of an event. f
// has no record yet. What is cheap is compared first, so of a rule that looks into
// the record few events have to have one. st is only worked with: it remembers
// nothing of the event.
func (s *Set) NeedsRecord(st *State, f Facts) bool {
	if len(s.readers) == 0 {
		return false
	}
	st.probe = probe{Facts: f}
	c := &st.context
	c.reset(&st.probe, s.slots)
	defer func() {
		c.release()
		st.probe = probe{}
	}()
	if c.plain {
		return true
	}
	st.found, st.scratch = s.readersIndex.candidates(f, st.scratch, st.found[:0])
	for _, i := range st.found {
		p := s.readers[i]
		bits := p.matches(c)
		if bits != 0 && !st.probe.asked {
			if p.window > 0 {
				p.group(c)
			}
			p.explain(c, bits)
		}
		if st.probe.asked {
			return true
		}
	}
	return false
}
