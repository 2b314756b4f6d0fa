rwd_fuzz(json_fuzz SOURCES json_fuzz.c LIBS rwd_logic)
rwd_fuzz(csv_fuzz SOURCES csv_fuzz.c LIBS rwd_logic)
rwd_fuzz(framing_fuzz SOURCES framing_fuzz.c LIBS rwd_source)
rwd_fuzz(place_fuzz SOURCES place_fuzz.c LIBS rwd_source)
