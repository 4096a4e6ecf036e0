# What happens once, at its hour. Read by make_sample.py.

% 2024-03-01 19:42
!encrypted
A: hi, this is anna from the pottery course! the one next to the exploding kiln
B: Hi Anna. Ben. The one who said "it will be fine" right before it exploded
A: hahahaha YES
A: you left your apron. and a bowl. I think it is a bowl
B: In my defence it was meant to be a plate
A: I will call it bowl number seven, the other six died
B: Noted. How do I get them back? I can offer bread
A: bread is a very good currency
B: His name is Gerald
A: the bread???
B: The sourdough. The bread has no name, that would make it hard to eat
A: ok I have decided that I like you

% 2024-03-19 23:12
A: are you also awake or is it just me and the trumpet man
B: Who is the trumpet man
A: upstairs. every night. the first four bars of titanic and nothing else
B: What happens after the four bars
A: silence. and then the four bars
B: I think I am in love with him
A: get in line
B: My grandfather kept a lighthouse, did I ever tell you that
A: you did NOT
B: Small one. He said the trick is to be boring in a reliable way
A: that might be the most beautiful thing anybody has said about a job
B: He also said never to trust a swan
A: !laugh
A: good night, lighthouse keeper

% 2024-05-11 21:55
B: I had a plan for today with a speech and everything
A: you had a SPEECH
B: I had. Then you fell into the harbour
A: I did not fall. I was pushed by a swan
B: The swan was two metres away
A: emotionally
B: So. The speech. In short: I like you, a lot, and I would like to keep doing this
A: !gone
A: sorry I typed nonsense. I am crying and my hair smells of harbour
A: yes. me too. yes
B: Oh good. Oh very good
A: you can hold the speech at my wedding
B: Big if true
A: 💛

% 2024-06-02 13:20
!code_changed
A: new phone!! the old one is still in the harbour
B: May it ring for the fish
A: they have my alarm now. 6:45. every day
B: !laugh

% 2024-08-09 22:31
A: packing list:⏎1. passports⏎2. sun cream⏎3. the other sun cream⏎4. sketchbook⏎5. ben
B: 6. A jar for Gerald, he travels with us
A: you are NOT taking the sourdough on a plane
B: In my defence he is under 100 ml
A: who is looking after the plants
B: Ulf
A: goodbye plants

% 2024-08-10 05:04
B: Taxi is here in ten
A: I am wearing two hats
B: Why
A: they did not fit
B: See you at the door, two hats

% 2024-08-16 20:48
A: I am on the balcony, you are in the shower, and I am writing you anyway
A: today was the best day. the fog, the lighthouse, the terrible sandwich
A: I just wanted it in writing
B: Found this while dripping on the phone
B: Me too. All of it. Except the sandwich

% 2024-08-21 11:15
B: Home. The tomatoes are dead
A: ULF
B: He says he watered them "in spirit"
A: !laugh
A: gerald?
B: Alive. Sunburnt

% 2024-09-02 18:20
B: I got it. I start in October. Head of the whole workshop
A: BEN!!!
A: I am screaming in the tram
A: soup! cake! both!
B: More hours at first. But it will calm down
A: we will manage. lighthouse rules
B: Lighthouse rules

% 2024-10-19 22:58
A: it is almost eleven
B: I know. Leaving now
A: mara waited for an hour too
B: I said I was sorry
A: you did
A: good night ben

% 2024-11-17 21:04
A: you forgot
B: What
A: the exhibition. my exhibition. today. the lighthouse pages
B: Oh god. It was today. Anna I am so sorry, the delivery came and then Ulf
A: it is always ulf. or the delivery. or the launch
B: That is not fair
A: I stood next to an empty chair for two hours and told people you were parking
B: I am doing this for both of us
A: I did not ask for the money. I asked for one evening
B: You have no idea what these weeks are like
A: no. because you do not tell me. you say "long" and fall asleep
B: I cannot do this by text
A: then by what. you are never here
B: !gone
A: I read that
B: I did not mean it
A: I think you did. I need a few days. please do not write
B: Ok

% 2024-11-27 07:51
B: I know you said not to write. Nine days is the longest I have been quiet in my life, ask Ulf.⏎⏎I went to the gallery on Thursday. Alone, at lunch. I stood in front of page thirty-one for half an hour, the one with the keeper and the loaf. I understood it.⏎⏎I am sorry. Not "sorry, meetings". I forgot the thing that mattered most to you and then I argued about it. I told them on Monday that I leave at five from now on. They said fine. It was that easy, which makes it worse.⏎⏎I would like to bring soup. You do not have to open the door, I can leave it on the mat and walk away in a dignified manner.
A: I have started this message eleven times
A: I missed you. I was so angry and I missed you, both, all day, it was exhausting
A: professor sat on your jumper for nine days and hissed at me
B: He is a loyal man
A: which soup
B: Leek and potato. And I drew you a picture. It is very bad
A: how bad
B: Bowl number seven bad
A: hahaha
A: ok. seven o'clock. and then we talk, with faces
B: With faces. Thank you
A: and ben
B: Yes?
A: page thirty-one is you. in case that was not clear
B: I am crying into the bolts

% 2024-11-27 23:40
A: thank you for today. for listening, mostly
B: Thank you for opening the door
A: new rule: we say the big things early, while they are small
B: Agreed. And I say when I drown, before I drown
A: lighthouse rules
B: Lighthouse rules 🫡

% 2024-12-24 17:30
A: merry christmas, bread man
B: Merry Christmas. Your mother cried at the loaf
A: she has put it on the PIANO
B: !img Exhibit A
A: I love you. also the loaf
B: In that order?
A: do not push it

% 2025-01-01 00:03
A: HAPPY NEW YEAR
B: You are standing next to me
A: I wanted to be first in the phone too
B: Happy new year 💛
A: that is MY emoji

% 2025-02-14 08:05
B: Look under the flour
A: what
A: BEN
A: a key??
B: It is a question, really. It opens nothing yet. I thought we could look for the door together
A: !gone
A: yes. obviously yes. I am crying on the sourdough
B: He needs the salt

% 2025-03-22 11:46
A: THIS ONE
A: the kitchen has a window and from the window
A: ben
A: you can see the harbour light
B: I saw it first
A: you are not even HERE
B: Lighthouse rules
A: !laugh

% 2025-03-25 16:09
B: They said yes. We have it
A: !gone
A: sorry I just typed the letter a four hundred times
B: First of May. Third floor. No lift
A: I will carry professor, you carry everything else
B: Seems fair

% 2025-04-29 22:14
A: last night in this flat. trumpet man is playing
B: Titanic?
A: ben. he is playing the FIFTH bar
B: What
A: he knows. he KNOWS we are leaving
B: I think that is the most beautiful thing that has ever happened
A: I clapped. he knocked back twice
B: Good night, last night
A: good night, lighthouse keeper. see you at the door 💛
