# What happens once, at its hour. Read by make_sample.py.

% 2024-10-05 15:20:11
!group_created
!group_added
Mia: welcome to the only channel that counts
Priya: I have made a spreadsheet
Tom: of course you have
Luca: ciao! one rule: nobody touches the moka pot
Jonas: hi who is this
Mia: jonas you LIVE here

% 2024-11-02 11:04:40
Mia: Mr Abbott comes on tuesday to look at the boiler
Luca: look at it or repair it
Mia: he said "look"
Tom: I can look at it too. for free

% 2024-11-18 20:02:14
Priya: I have made a poll so that nobody can say nobody asked
!poll
Tom: I vote for the second one
Jonas: hey
Luca: democracy was a mistake

% 2024-12-08 19:30:05
Priya: secret santa, budget ten. I have drawn the names, nobody argues
Jonas: who do I have
Priya: Jonas it is SECRET
Jonas: from me too?
Luca: !laugh
Tom: he has himself, I am sure of it

% 2024-12-20 22:41:37
Luca: to whoever put the moka pot in the dishwasher. I am not angry. I am at the airport and I am not angry
Mia: oh no
Tom: !gone
Priya: Tom.
Tom: I will buy a new one
Luca: you cannot BUY one. it was seasoned. it was my grandmother's
Tom: I am so sorry. really. I did not know
Luca: ...
Luca: I know. merry christmas, you barbarian

% 2025-01-06 18:12:09
Luca: I am back. on my pillow there is a moka pot. with a ribbon
Luca: it is older than mine. Tom where did you find it
Tom: flea market, and then another flea market, and then a man called Enzo
Luca: !gone
Luca: you are my brother now, there is nothing you can do
Mia: I am not crying, it is the boiler

% 2025-02-15 09:15:22
Mia: the boiler is dead
Jonas: long live the boiler
!location
Priya: that is the café at the corner, it is warm, I have the big table
Tom: coming with blankets
Luca: do they have real coffee
Priya: define real
Luca: staying home with the dead boiler then
Jonas: I read everything today. for the first time. you are all quite funny

% 2025-03-29 20:05:50
Mia: so. I got the job in Leeds. from may
Luca: NO
Tom: congratulations!! and no
Priya: I am very happy for you and I have removed the tab "summer"
Jonas: who will tell me what is going on
Mia: that is the nicest thing you have ever said
Luca: you leave, Sir Leaf stays. this is not negotiable
Mia: Sir Leaf has a right to visits
!contact
Mia: new number from may, save it. all of you. JONAS
Jonas: saved. who is it
