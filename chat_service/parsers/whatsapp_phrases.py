"""What WhatsApp itself writes into a chat, by language. Data only; add a language by adding lines.

Full phrases are compared without regard to case and to a full stop at the end. Where a phrase is
the same in two languages it stands once. What stands in place of media is in `whatsapp_omitted`.
"""


def _listed(text: str) -> tuple[str, ...]:
    """The phrases of a text: one a line, or several with a bar between them."""
    return tuple(phrase.strip() for line in text.splitlines() for phrase in line.split("|") if phrase.strip())


DELETED = _listed(
    """
    This message was deleted | You deleted this message | Diese Nachricht wurde gelöscht
    Du hast diese Nachricht gelöscht | Se eliminó este mensaje | Eliminaste este mensaje
    Este mensaje fue eliminado | Ce message a été supprimé | Vous avez supprimé ce message
    Questo messaggio è stato eliminato | Hai eliminato questo messaggio | Mensagem apagada
    Esta mensagem foi apagada | Esta mensagem foi apagada pelo remetente | Apagou esta mensagem
    Você apagou esta mensagem | Dit bericht is verwijderd | U hebt dit bericht verwijderd
    Je hebt dit bericht verwijderd | Данное сообщение удалено | Вы удалили данное сообщение
    Вы удалили это сообщение | Це повідомлення було видалено | Ви видалили це повідомлення
    הודעה זו נמחקה | מחקת את ההודעה הזו | מחקת הודעה זו | Αυτό το μήνυμα διαγράφηκε
    Διαγράψατε αυτό το μήνυμα | Διαγράψατε το μήνυμα | تم حذف هذه الرسالة | لقد حذَفت هذه الرسالة
    أنت حذفت هذه الرسالة | এই মেসেজটি বাদ দেওয়া হয়েছে। | আপনি এই মেসেজটি বাদ দিয়েছেন। | 此訊息已刪除。
    您已刪除此訊息。 | 您已刪除此訊息 | 这条消息已被删除。
    信息已删除 | 您已删除这条消息。 | 您已删除这条消息
    Tin nhắn này đã bị xóa | Tin nhắn này đã bị xoá | Bạn đã xóa tin nhắn này | Bạn đã xoá tin nhắn này
    یہ میسج حذف کر دیا گیا ہے۔ | آپ نے یہ میسج حذف کر دیا ہے۔ | Bu mesaj silindi | Bu mesajı sildiniz
    ข้อความนี้ถูกลบแล้ว | ข้อความนี้ได้ถูกลบ | คุณได้ลบข้อความนี้ | คุณลบข้อความนี้
    Det här meddelandet raderades | Detta meddelande raderades | Du raderade det här meddelandet
    Du raderade detta meddelande | Du har tagit bort meddelandet | Táto správa bola odstránená
    Túto správu ste odstránili | Ta wiadomość została usunięta | Usunąłeś(-ęłaś) tę wiadomość
    Usunąłeś(aś) tę wiadomość | Acest mesaj a fost șters | Ați șters acest mesaj
    Denne meldingen ble slettet | Du slettet denne meldingen | Mesej ini telah dipadam
    Anda telah memadamkan mesej ini | हा मेसेज हटवण्यात आला | तुम्ही हा मेसेज हटवला | 이 메시지는 삭제되었습니다
    이 메시지를 삭제했습니다 | 삭제한 메시지입니다 | このメッセージは削除されました。
    このメッセージは削除されました | このメッセージを削除しました。 | このメッセージを削除しました
    Ez az üzenet törlésre került | Törölted ezt az üzenetet | Ezt az üzenetet törölted | Pesan ini dihapus
    Pesan ini telah dihapus | Anda menghapus pesan ini | Anda telah menghapus pesan ini
    Ova je poruka izbrisana | Ova poruka je izbrisana | Izbrisali ste ovu poruku
    यह मैसेज डिलीट कर दिया गया है | आपने यह मैसेज डिलीट किया | यह संदेश मिटाया गया | आपने यह संदेश मिटाया
    આ મેસેજ ડિલીટ કરાયો | તમે આ મેસેજ ડિલીટ કર્યો | Scriosadh an teachtaireacht seo
    Scrios tú an teachtaireacht seo | Tämä viesti poistettiin | Poistit tämän viestin
    این پیام حذف شده است | این پیام حذف شد | شما این پیام را حذف کردید | Denne besked er blevet slettet
    Denne besked blev slettet | Du har slettet denne besked | Du slettede denne besked
    Tato zpráva byla smazána | Tato zpráva byla odstraněna | Tuto zprávu jste smazal/a
    Tuto zprávu jste odstranil/a | Aquest missatge s'ha suprimit | Aquest missatge està esborrat
    Has suprimit aquest missatge | Has esborrat aquest missatge | Itong mensahe ay binura na
    Binura mo itong mensahe | Šī ziņa tika izdzēsta | Jūs izdzēsāt šo ziņu | Бұл хат жойылды
    Сіз бұл хатты жойдыңыз | Ushbu xabar o‘chirildi | Siz ushbu xabarni o‘chirdingiz
    To sporočilo je bilo izbrisano | To sporočilo ste izbrisali | Ujumbe huu ulifutwa | Umefuta ujumbe huu
    Ši žinutė buvo ištrinta | Jūs ištrynėte šią žinutę | See sõnum on kustutatud | Kustutasid selle sõnumi
    Съобщението беше изтрито | Изтрихте това съобщение | Hierdie boodskap was uitgevee
    Jy het boodskap uitgevee | Bu ismarıc silindi | Siz bu ismarıcı sildiniz | Оваа порака беше избришана
    Ја избриша оваа порака | Ова порука је обрисана | Обрисао/ла си ову поруку
    இத்தகவல் திரும்பப்பெறப்பட்டது | இத்தகவலை தாங்கள் அழித்தீர்கள்
    """
)

# An admin's name may follow; the sentence is kept because it says who.
DELETED_BY_ADMIN = (
    "This message was deleted by ",
    "You deleted this message as admin",
    "Diese Nachricht wurde von Admin ",
    "Diese Nachricht wurde vom Admin ",
    "El admin. ",
    "Ce message a été supprimé par ",
    "Questo messaggio è stato eliminato da",
    "Mensagem apagada pel",
    "Dit bericht is verwijderd door ",
    "Данное сообщение удалено админом",
)

# Written behind the text, in angle brackets. On iOS a mark before them tells it in every language.
EDITED = _listed(
    """
    This message was edited | Diese Nachricht wurde bearbeitet | Se editó este mensaje
    Ce message a été modifié | Questo messaggio è stato modificato | Mensagem editada
    Esta mensagem foi editada | Dit bericht is bewerkt | Данное сообщение изменено | Сообщение изменено
    """
)

# iOS: `<attached: NAME>`, and before 2017 on both platforms: `NAME <attached>`.
ATTACHED = _listed(
    """
    attached | Anhang | angehängt | adjunto | pièce jointe | allegato | anexado | anexo | bijgevoegd
    прикреплено | додано | 附件 | 添付ファイル | 첨부됨 | المُرفق | المرفق | پیوستہ | پیوست | επισυνάφθηκε
    đính kèm | eklendi | ekli | bifogat | bifogad | príloha | příloha | załączono | atașare | atașat | vedlagt
    dilampir | संलग्न केले | csatolva | terlampir | priloženo | अटैच किया गया | જોડાયેલ | ceangailte | liite
    vedhæftet | adjunt | แนบ | מצורף
    """
)

# Android: `NAME (file attached)`, a caption on the next line.
FILE_ATTACHED = _listed(
    """
    file attached | Datei angehängt | archivo adjunto | archivo adjuntado | fichier joint | file allegato
    arquivo anexado | ficheiro anexado | bestand bijgevoegd | файл добавлен | файл додано | fișier atașat
    ఫైల్ జోడించబడినది | nakalakip na file | 附件檔案 | 文件附件 | arxiu adjunt | soubor byl přiložen
    file terlampir | 添付ファイル有り | συνημμένο αρχείο | pievienots fails | fil vedhæftet | फाइल संलग्न
    қосымша файл | ફાઇલ જોડાયેલ | קובץ מצורף | fail dilampirkan | फाइल अटैच कर दी गई है
    fayl biriktirildi | załączony plik | tệp đính kèm | skedë e ngjitur | bifogad fil | priložena datoteka
    súbor pripojený | پیوستہ فائل | faili limeambatanishwa | dosya ekli | ไฟล์ที่แนบ | پیوست شد
    byla prisegta | vedlagt fil | liitetiedosto | fail lisatud | datoteka u privitku | fájl csatolva
    прикачен файл | ফাইল সংযুক্ত হয়েছে | lêer aangeheg | fayl əlavə olunub | 파일 첨부됨 | ഫയൽ ചേർത്തു
    прикачен фајл | ಕಡತ ಸೇರಿಸಲಾಯಿತು | الملف مرفق | прикачена датотека | ਅਟੈਚ ਕੀਤੀ ਫਾਇਲ
    """
)

LIVE_LOCATION = _listed(
    """
    live location shared | Live location ended | Live-Standort wird geteilt
    ubicación en tiempo real compartida | Localisation en direct partagée | posizione attuale condivisa
    localização atual compartilhada | Está a partilhar a sua localização | live locatie gedeeld
    Геоданные отправлены | геодані надіслано | locație în timp real distribuită | 實時位置已分享
    共享实时位置 | Ubicació en directe compartida | byla sdílena aktuální poloha | Lokasi terkini dibagikan
    ライブロケーション共有 | η τωρινή τοποθεσία κοινοποιήθηκε | live placering delt | משתף מיקום בשידור חי
    lokasi terkini dikongsi | लाइव स्थान साझा किया गया | udostępniona transmisja położenia
    vị trí hiện thời được chia sẻ | liveposition delad
    bola zdieľaná aktuálna poloha | Mevcut konum paylaşıldı
    ตำแหน่งปัจจุบันถูกแบ่งปัน | مکان زنده به اشتراک گذاشته شد | posisjon i sanntid delt | live-sijainti jaettu
    trenutna lokacija podijeljena | tartózkodási hely megosztva
    공유한 실시간 위치 | تمت مشاركة الموقع المباشر
    """
)

POLL = ("POLL", "UMFRAGE", "ENCUESTA", "SONDAGE", "SONDAGGIO", "ENQUETE", "SONDAGEM", "PEILING", "ОПРОС")

MISSED_CALL = _listed(
    """
    Missed voice call | Missed video call | Missed group voice call | Missed group video call
    Silenced voice call | Silenced video call | Verpasster Sprachanruf | Verpasster Videoanruf
    Verpasster Gruppenanruf | Llamada perdida | Llamada de voz perdida | Videollamada perdida
    Appel vocal manqué | Appel vidéo manqué | Chiamata vocale persa | Videochiamata persa
    Chamada de voz perdida | Chamada de vídeo perdida | Videochamada perdida | Gemiste spraakoproep
    Gemist spraakgesprek | Gemiste video-oproep | Gemist videogesprek | Пропущенный аудиозвонок
    Пропущенный видеозвонок | Пропущений аудіодзвінок | Пропущений відеодзвінок | שיחה קולית שלא נענתה
    שיחת וידאו שלא נענתה | Αναπάντητη φωνητική κλήση | Αναπάντητη κλήση | Αναπάντητη βιντεοκλήση
    مكالمة صوتية فائتة | مكالمة فيديو فائتة | 未接語音通話 | 未接語音來電 | 未接视频通话 | 未接語音通话
    未接语音通话 | 未接視像通話 | Cuộc gọi nhỡ | Cevapsız sesli arama | Cevapsız görüntülü arama
    สายที่ไม่ได้รับ | วิดีโอคอลที่ไม่ได้รับ | Missat röstsamtal | Missat videosamtal | Zmeškaný hovor
    Zmeškaný hlasový hovor | Zmeškaný videohovor | Nieodebrane połączenie | Nieodebrane poł. głosowe
    Nieodebrane poł. wideo | Apel vocal ratat | Apel vocal nepreluat | Apel video ratat
    Apel video nepreluat | Tapt taleanrop | Tapt videoanrop | Tapt videosamtale | Panggilan suara terlepas
    Panggilan video terlepas | Panggilan suara tak terjawab | Panggilan video tak terjawab
    मिस्ड व्हॉइस कॉल | मिस्ड वॉइस कॉल | मिस्ड वीडियो कॉल | 부재중 전화 | 부재중 영상통화 | 不在着信
    音声通話不在着信 | ビデオ通話不在着信 | Nem fogadott hanghívás | Nem fogadott videóhívás
    Nem fogadott videohívás | Propušteni glasovni poziv | Propušten glasovni poziv | Propušteni videopoziv
    Vastaamaton äänipuhelu | Vastaamaton videopuhelu | تماس صوتی پاسخ داده نشده
    Ubesvaret taleopkald | Ubesvaret videoopkald | Mistet opkald | Trucada de veu perduda
    Trucada de vídeo perduda | Пропуснато гласово обаждане | Пропуснато видео обаждане
    """
)

# Somebody's message that is not shown; more may follow.
UNSEEN = (
    "You received a view once",
    "You sent a view once",
    "Waiting for this message",
    "Auf diese Nachricht warten",
    "Warte auf diese Nachricht",
    "Esperando este mensaje",
    "Esperando el mensaje",
    "En attente de ce message",
    "In attesa del messaggio",
    "Aguardando esta mensagem",
    "Ожидание данного сообщения",
)

# These are words that people write too, and count only behind a mark or without an author. Their
# length or what became of the call may follow: `Voice call. 2 min`.
CALL = (
    "Voice call",
    "Video call",
    "Group call",
    "Sprachanruf",
    "Videoanruf",
    "Gruppenanruf",
    "Llamada de voz",
    "Videollamada",
    "Appel vocal",
    "Appel vidéo",
    "Chiamata vocale",
    "Videochiamata",
    "Chamada de voz",
    "Chamada de vídeo",
    "Spraakoproep",
    "Video-oproep",
    "Аудиозвонок",
    "Видеозвонок",
)

# Notices that quote what somebody typed, and so may hold a colon. On Android such a line looks like
# a message of somebody called `Anna changed the subject to "Trip`.
QUOTING_NOTICE = (
    "created group",
    "created the group",
    "changed the subject",
    "changed the group",
    "changed this group",
    "hat den Betreff",
    "hat die Gruppe",
    "hat den Gruppennamen",
    "hast die Gruppe",
    "hast den Betreff",
    "creó el grupo",
    "creaste el grupo",
    "cambió el asunto",
    "cambió el nombre del grupo",
    "a créé le groupe",
    "avez créé le groupe",
    "a changé le sujet",
    "a changé le nom du groupe",
    "ha creato il gruppo",
    "hai creato il gruppo",
    "ha cambiato l'oggetto",
    "ha cambiato il nome del gruppo",
    "criou o grupo",
    "mudou o nome do grupo",
    "mudou o assunto",
    "heeft de groep",
    "heeft het onderwerp",
    "создал группу",
    "создала группу",
    "создал(-а) группу",
    "изменил тему",
    "изменила тему",
    "изменил(-а) тему",
)

# Pieces of further notices. On iOS a notice carries somebody's name and a mark before its text.
NOTICE = (
    *QUOTING_NOTICE,
    "end-to-end",
    "security code",
    "added",
    "removed",
    "left",
    "joined",
    "admin",
    "pinned a message",
    "disappearing messages",
    "message timer",
    "phone number",
    "this contact",
    "Ende-zu-Ende",
    "Sicherheitsnummer",
    "hinzugefügt",
    "entfernt",
    "beigetreten",
    "extremo a extremo",
    "añadió",
    "eliminó a",
    "salió",
    "bout en bout",
    "a ajouté",
    "a quitté",
    "a modifié",
    "ha aggiunto",
    "ha abbandonato",
    "ha modificato",
    "ponta a ponta",
    "ponto a ponto",
    "adicionou",
    "saiu",
    "alterou",
    "toegevoegd",
    "heeft de groep verlaten",
    "wijzigde",
    "сквозным шифрованием",
    "добавил",
    "добавила",
    "вышел",
    "вышла",
)
