"""What WhatsApp itself writes into a chat, by language. Data only; add a language by adding lines.

Full phrases are compared without regard to case and to a full stop at the end. Where a phrase is
the same in two languages it stands once.
"""

from chat_service.parsers.model import MessageKind

# Android leaves media out without saying what they were.
MEDIA_OMITTED = (
    "<Media omitted>",  # English
    "<Medien ausgeschlossen>",  # German
    "<Medien weggelassen>",
    "<Multimedia omitido>",  # Spanish
    "<Archivo omitido>",
    "<Médias omis>",  # French
    "<Fichier omis>",
    "<Media omessi>",  # Italian
    "<Media omesso>",
    "<Mídia oculta>",  # Portuguese
    "<Mídia omitida>",
    "<Arquivo de mídia oculto>",
    "<Ficheiro não revelado>",
    "<Media weggelaten>",  # Dutch
    "<Без медиафайлов>",  # Russian
    "<Файл пропущен>",
    "<Медіа пропущено>",  # Ukrainian
    "<pominięto multimedia>",  # Polish
    "<Medya dahil edilmedi>",  # Turkish
    "<Média vynechány>",  # Czech
    "<Média vynechána>",
    "<मीडिया के बिना>",  # Hindi
    "<Media tidak disertakan>",  # Indonesian
    "<メディアなし>",  # Japanese
    "<미디어 파일 제외됨>",  # Korean
    "<ไฟล์สื่อถูกลบ>",  # Thai
    "<Bỏ qua tệp phương tiện>",  # Vietnamese
    "<تم استبعاد الوسائط>",  # Arabic
    "<המדיה לא נכללה>",  # Hebrew
    "<省略多媒体文件>",  # Chinese
    "<忽略多媒體檔>",
)

# The rows: English, German, Spanish, French, Italian, Portuguese (Brazil, Portugal), Dutch, Russian.
OMITTED: dict[MessageKind, tuple[str, ...]] = {
    MessageKind.IMAGE: (
        "image omitted",
        "Bild weggelassen",
        "imagen omitida",
        "image absente",
        "immagine omessa",
        "imagem ocultada",
        "imagem não revelada",
        "afbeelding weggelaten",
        "изображение отсутствует",
    ),
    MessageKind.VIDEO: (
        "video omitted",
        "video note omitted",
        "<Video message omitted>",
        "<Video note omitted>",
        "Video weggelassen",
        "Videonachricht weggelassen",
        "video omitido",
        "vidéo absente",
        "video omesso",
        "vídeo omitido",
        "vídeo não revelado",
        "video weggelaten",
        "видео отсутствует",
    ),
    MessageKind.AUDIO: (
        "audio omitted",
        "Audio weggelassen",
        "audio omitido",
        "audio omis",
        "audio omesso",
        "áudio ocultado",
        "ficheiro de áudio não revelado",
        "audio weggelaten",
        "аудиофайл отсутствует",
        "аудио отсутствует",
    ),
    MessageKind.STICKER: (
        "sticker omitted",
        "Sticker weggelassen",
        "sticker omitido",
        "sticker omis",
        "sticker non incluso",
        "figurinha omitida",
        "sticker não revelado",
        "sticker weggelaten",
        "стикер не добавлен",
    ),
    MessageKind.GIF: (
        "GIF omitted",
        "GIF weggelassen",
        "GIF omitido",
        "GIF retiré",
        "GIF esclusa",
        "GIF não revelada",
        "GIF weggelaten",
        "GIF отсутствует",
    ),
    MessageKind.DOCUMENT: (
        "document omitted",
        "Dokument weggelassen",
        "documento omitido",
        "document manquant",
        "documento omesso",
        "documento não revelado",
        "document weggelaten",
        "документ отсутствует",
    ),
    MessageKind.CONTACT: (
        "Contact card omitted",
        "Kontaktkarte ausgelassen",
        "Kontaktkarte weggelassen",
        "Tarjeta de contacto omitida",
        "Fiche contact manquante",
        "Scheda contatto omessa",
        "Cartão do contato omitido",
        "Contacto não revelado",
        "Visitekaartje weggelaten",
        "Карточка контакта отсутствует",
    ),
}

DELETED = (
    "This message was deleted",
    "You deleted this message",
    "Diese Nachricht wurde gelöscht",
    "Du hast diese Nachricht gelöscht",
    "Se eliminó este mensaje",
    "Eliminaste este mensaje",
    "Este mensaje fue eliminado",
    "Ce message a été supprimé",
    "Vous avez supprimé ce message",
    "Questo messaggio è stato eliminato",
    "Hai eliminato questo messaggio",
    "Mensagem apagada",
    "Esta mensagem foi apagada",
    "Apagou esta mensagem",
    "Você apagou esta mensagem",
    "Dit bericht is verwijderd",
    "U hebt dit bericht verwijderd",
    "Je hebt dit bericht verwijderd",
    "Данное сообщение удалено",
    "Вы удалили данное сообщение",
    "Вы удалили это сообщение",
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

# Written behind the text, in angle brackets.
EDITED = (
    "This message was edited",
    "Diese Nachricht wurde bearbeitet",
    "Se editó este mensaje",
    "Ce message a été modifié",
    "Questo messaggio è stato modificato",
    "Mensagem editada",
    "Esta mensagem foi editada",
    "Dit bericht is bewerkt",
    "Данное сообщение изменено",
    "Сообщение изменено",
)

# iOS: `<attached: NAME>`, and before 2017 on both platforms: `NAME <attached>`.
ATTACHED = (
    "attached",
    "Anhang",
    "angehängt",
    "adjunto",
    "pièce jointe",
    "allegato",
    "anexado",
    "anexo",
    "bijgevoegd",
    "прикреплено",
    "附件",
    "添付ファイル",
)

# Android: `NAME (file attached)`, a caption on the next line.
FILE_ATTACHED = (
    "file attached",
    "Datei angehängt",
    "archivo adjunto",
    "archivo adjuntado",
    "fichier joint",
    "file allegato",
    "arquivo anexado",
    "ficheiro anexado",
    "bestand bijgevoegd",
    "файл добавлен",
)

LIVE_LOCATION = (
    "live location shared",
    "Live location ended",
    "Live-Standort wird geteilt",
    "ubicación en tiempo real compartida",
    "Localisation en direct partagée",
    "posizione attuale condivisa",
    "localização atual compartilhada",
    "live locatie gedeeld",
    "Геоданные отправлены",
)

POLL = ("POLL", "UMFRAGE", "ENCUESTA", "SONDAGE", "SONDAGGIO", "ENQUETE", "SONDAGEM", "PEILING", "ОПРОС")

MISSED_CALL = (
    "Missed voice call",
    "Missed video call",
    "Missed group voice call",
    "Missed group video call",
    "Silenced voice call",
    "Silenced video call",
    "Verpasster Sprachanruf",
    "Verpasster Videoanruf",
    "Verpasster Gruppenanruf",
    "Llamada perdida",
    "Llamada de voz perdida",
    "Videollamada perdida",
    "Appel vocal manqué",
    "Appel vidéo manqué",
    "Chiamata vocale persa",
    "Videochiamata persa",
    "Chamada de voz perdida",
    "Chamada de vídeo perdida",
    "Videochamada perdida",
    "Gemiste spraakoproep",
    "Gemist spraakgesprek",
    "Gemiste video-oproep",
    "Gemist videogesprek",
    "Пропущенный аудиозвонок",
    "Пропущенный видеозвонок",
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
    "waiting for this message",
    "view once message",
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
